<?php
// Writes vectors.json: what PHP's own client does, for tests that run without
// PHP. Needs php-cli, php-memcached (with igbinary and msgpack) and memcached
// on three ports of 127.0.0.1:
//
//   php vectors.php 22101 22102 22103 > vectors.json
$ports = array_map('intval', array_slice($argv, 1));

function client(array $ports, string $prefix, array $weights): Memcached
{
    $m = new Memcached;
    $m->setOption(Memcached::OPT_COMPRESSION, false);
    if ($prefix !== '')
        $m->setOption(Memcached::OPT_PREFIX_KEY, $prefix);
    $servers = [];
    foreach ($ports as $i => $port)
        $servers[] = $weights ? ['127.0.0.1', $port, $weights[$i]] : ['127.0.0.1', $port];
    $m->addServers($servers);
    return $m;
}

// What a server holds under a key, as it is on the wire.
function raw(int $port, string $key): ?array
{
    $f = fsockopen('127.0.0.1', $port);
    fwrite($f, "get $key\r\n");
    $head = explode(' ', trim(fgets($f)));
    if ($head[0] !== 'VALUE')
        return null;
    $value = '';
    while (strlen($value) < (int)$head[3])
        $value .= fread($f, (int)$head[3] - strlen($value));
    return ['flags' => (int)$head[2], 'value' => base64_encode($value)];
}

$out = ['versions' => ['php' => PHP_VERSION, 'memcached' => phpversion('memcached')], 'servers' => [], 'values' => []];
foreach ([['', []], ['site_', []], ['', [1, 5, 9]], ['p', ['3', '1', '1']]] as [$prefix, $weights]) {
    $m = client($ports, $prefix, $weights);
    $at = [];
    for ($i = 0; $i < 40; $i++) {
        $key = $i % 2 ? md5("var/site/cache/$i") : "var/site/cache/content/site/$i-";
        $m->set($key, $i);
        foreach ($ports as $n => $port)
            if (raw($port, $prefix . $key) !== null)
                $at[$key] = $n;
    }
    $out['servers'][] = ['prefix' => $prefix, 'weights' => $weights, 'at' => $at];
}

$name = 'var/site/storage/images/ü/a b.png';
$row = ['name' => $name, 'name_trunk' => $name, 'name_hash' => md5($name), 'datatype' => 'image/png', 'scope' => 'image',
    'size' => '1234', 'mtime' => '1700000000', 'expired' => '0'];
$native = array_merge($row, ['size' => 1234, 'mtime' => -1700000000, 'expired' => 1, 'status' => null]);
$values = [
    'row' => $row,
    'native' => $native,
    'ours' => $row + ['ezdfs' => 'ezdfsfile one two'],
    'map' => [md5('a') => true, md5('b') => true],
    'string' => 'text', 'long' => 12, 'double' => 1.5, 'bool' => true,
    'mixed' => [null, false, -3, 1.25, 'k' => ['n' => []]],
    'object' => new ArrayObject([1]),
];
$m = client([$ports[0]], '', []);
foreach ($values as $key => $value) {
    $m->set($key, $value);
    $out['values'][$key] = raw($ports[0], $key);
}
$others = ['igbinary' => Memcached::SERIALIZER_IGBINARY, 'json' => Memcached::SERIALIZER_JSON, 'msgpack' => Memcached::SERIALIZER_MSGPACK];
foreach ($others as $key => $serializer) {
    $m->setOption(Memcached::OPT_SERIALIZER, $serializer);
    $m->set($key, $row);
    $out['values'][$key] = raw($ports[0], $key);
}
$m->setOption(Memcached::OPT_SERIALIZER, Memcached::SERIALIZER_PHP);
$m->setOption(Memcached::OPT_COMPRESSION, true);
foreach (['fastlz' => Memcached::COMPRESSION_FASTLZ, 'zlib' => Memcached::COMPRESSION_ZLIB] as $key => $type) {
    $m->setOption(Memcached::OPT_COMPRESSION_TYPE, $type);
    $m->set($key, $row + ['filler' => str_repeat('filler', 500)]);
    $out['values'][$key] = raw($ports[0], $key);
}
echo json_encode($out, JSON_PRETTY_PRINT | JSON_UNESCAPED_SLASHES), "\n";
