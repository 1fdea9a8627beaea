package phpconfig

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "ask the installed PHP for the values of testdata/expressions.json")

// vector is an expression and what PHP makes of it.
type vector struct {
	PHP   string `json:"php"`
	Type  string `json:"type"`            // of gettype(), or "error"
	Value string `json:"value,omitempty"` // of a string in hexadecimal
	// Refused says that the expression has a value in PHP and none here.
	Refused bool `json:"refused,omitempty"`
}

const vectorFile = "testdata/expressions.json"

// askPHP fills in the types and values of vectors.
const askPHP = `error_reporting(0);
$list = json_decode(stream_get_contents(STDIN), true);
foreach ($list as &$v) {
	$value = null;
	try { $value = eval("return " . $v["php"] . "\n;"); $v["type"] = gettype($value); }
	catch (Throwable $e) { $v["type"] = "error"; }
	unset($v["value"]);
	if (is_string($value)) $v["value"] = bin2hex($value);
	elseif ($v["type"] !== "error" && $value !== null) $v["value"] = is_float($value) ? sprintf("%.17g", $value) : (is_int($value) ? (string) $value : var_export($value, true));
}
echo json_encode($list);`

func vectors(t *testing.T) []vector {
	t.Helper()
	data, err := os.ReadFile(vectorFile)
	if err != nil {
		t.Fatal(err)
	}
	var list []vector
	if err := json.Unmarshal(data, &list); err != nil {
		t.Fatal(err)
	}
	return list
}

// TestValuesAreThoseOfPHP holds every expression to the value that PHP 8.2 gave
// it; go test -update asks the PHP of this machine again.
func TestValuesAreThoseOfPHP(t *testing.T) {
	list := vectors(t)
	if *update {
		list = updated(t, list)
	}
	if len(list) < 150 {
		t.Fatalf("only %d expressions", len(list))
	}
	for _, v := range list {
		config, warnings, err := read(t, "<?php\ndefine('X', "+v.PHP+"\n);\n")
		k, ok := config.Lookup("X")
		if refused := v.Refused || v.Type == "error"; refused || !ok {
			if ok || !refused {
				t.Errorf("%s: %v known %v, in PHP %s %s (%v, %v)", v.PHP, k.Value, ok, v.Type, v.Value, warnings, err)
			}
			continue
		}
		if typ, value := described(k.Value); typ != v.Type || value != v.Value {
			t.Errorf("%s: %s %s, in PHP %s %s", v.PHP, typ, value, v.Type, v.Value)
		}
	}
}

// described is a value as the vectors tell it.
func described(value any) (typ, text string) {
	switch v := value.(type) {
	case string:
		return "string", hex.EncodeToString([]byte(v))
	case int64:
		return "integer", strconv.FormatInt(v, 10)
	case float64:
		return "double", strings.ToUpper(strconv.FormatFloat(v, 'g', -1, 64))
	case bool:
		return "boolean", strconv.FormatBool(v)
	}
	return "NULL", ""
}

// updated asks PHP, and takes note of what we refuse.
func updated(t *testing.T, list []vector) []vector {
	in, err := json.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("php", "-n", "-r", askPHP)
	cmd.Stdin, cmd.Stderr = bytes.NewReader(in), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(out, &list); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for i, v := range list {
		if f, err := strconv.ParseFloat(v.Value, 64); v.Type == "double" && err == nil {
			list[i].Value = strings.ToUpper(strconv.FormatFloat(f, 'g', -1, 64))
		}
	}
	var file bytes.Buffer // a vector a line
	enc := json.NewEncoder(&file)
	enc.SetEscapeHTML(false)
	for i, v := range list {
		file.WriteString(map[bool]string{true: "[\n", false: ","}[i == 0])
		if err := enc.Encode(v); err != nil {
			t.Fatal(err)
		}
	}
	file.WriteString("]\n")
	if err := os.WriteFile(vectorFile, file.Bytes(), 0o666); err != nil {
		t.Fatal(err)
	}
	return list
}
