package frontends

import (
	"strconv"
	"strings"
	"testing"

	"example.com/ezdfs/internal/testservice"
)

// A starter starts a front end in front of a stack and returns its URL.
// Further replacements are made in the example.
type starter func(t *testing.T, s *stack, more ...replacement) string

func startNginx(file string) starter {
	return func(t *testing.T, s *stack, more ...replacement) string {
		t.Helper()
		port := testservice.FreePort(t)
		config := example(t, "nginx/"+file, append(more,
			replacement{"listen 80;", "listen " + address(port) + ";"},
			replacement{"server 127.0.0.1:8080;", "server " + s.gatewayAddr + ";"},
			replacement{"server unix:/run/php/php-fpm.sock;", "server " + s.phpAddr + ";"})...)
		testservice.StartNginx(t, config, port)
		return "http://" + address(port)
	}
}

func startNginxCache(t *testing.T, s *stack, more ...replacement) string {
	t.Helper()
	return startNginx("ezdfs-cache.conf")(t, s, append(more, replacement{"/var/cache/nginx/ezdfs", t.TempDir()})...)
}

func startVarnish(t *testing.T, s *stack, more ...replacement) string {
	t.Helper()
	url, _ := varnish(t, s, more...)
	return url
}

func varnish(t *testing.T, s *stack, more ...replacement) (string, *testservice.Varnish) {
	t.Helper()
	port := testservice.FreePort(t)
	at := func(addr string) string { return `.port = "` + portOf(addr) + `";` }
	vcl := example(t, "varnish/ezdfs.vcl", append(more,
		replacement{`.port = "8080";`, at(s.gatewayAddr)},
		replacement{`.port = "8081";`, at(s.adminAddr)},
		replacement{`.port = "8000";`, at(s.siteAddr)})...)
	return "http://" + address(port), testservice.StartVarnish(t, vcl, port)
}

func startApache(file string, modules ...string) starter {
	return func(t *testing.T, s *stack, more ...replacement) string {
		t.Helper()
		port := testservice.FreePort(t)
		config := example(t, "apache/"+file, append(more,
			replacement{"<VirtualHost *:80>", "<VirtualHost *:" + strconv.Itoa(port) + ">"},
			replacement{"http://127.0.0.1:8080", "http://" + s.gatewayAddr},
			replacement{"/var/www/site", publicDir(t)},
			replacement{"proxy:unix:/run/php/php-fpm.sock|fcgi://localhost/", "proxy:fcgi://" + s.phpAddr})...)
		testservice.StartApache(t, config, port, append(modules, "env", "headers", "rewrite", "proxy", "proxy_http", "proxy_fcgi")...)
		return "http://" + address(port)
	}
}

func startHAProxy(t *testing.T, s *stack, more ...replacement) string {
	t.Helper()
	port := testservice.FreePort(t)
	config := example(t, "haproxy/ezdfs.cfg", append(more,
		replacement{"maxconn 20000", "maxconn 200"},
		replacement{"bind :80", "bind " + address(port)},
		replacement{"server gateway1 127.0.0.1:8080", "server gateway1 " + s.gatewayAddr},
		replacement{"server gateway1-unready 127.0.0.1:8080", "server gateway1-unready " + s.gatewayAddr},
		replacement{"check port 8081", "check port " + portOf(s.adminAddr)},
		replacement{"server site1 127.0.0.1:8000", "server site1 " + s.siteAddr})...)
	testservice.StartHAProxy(t, config, port)
	return "http://" + address(port)
}

func portOf(addr string) string {
	_, port, _ := strings.Cut(addr, ":")
	return port
}
