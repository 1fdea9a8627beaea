# Varnish 7 in front of the ezdfs gateway (dfsctl serve) and a PHP site.
#
# Copy this file and keys-ban.vcl (or keys-xkey.vcl) to /etc/varnish, change
# the addresses, and start varnishd with -f /etc/varnish/ezdfs.vcl. The Debian
# package varnish is enough; keys-xkey.vcl also needs varnish-modules.
#
# How to drop what is cached, from an address of the ACL below:
#
#   PURGE /var/site/storage/images/a.png
#       this URL, as it is spelled here. Another spelling of the same path,
#       such as %61.png, is another URL: purge by key to get all of them.
#   PURGE / with "xkey: p-0cc175b9c0f1 d-8277e0910d75"
#       every file that has one of these keys: its path, a directory above
#       it, its scope or its trunk (see package gateway/surrogate).
#   BAN / with "X-Ban-Prefix: /var/site/storage/images/12/"
#       every URL that begins with exactly this text.
#   BAN / with "X-Ban-Pattern: ^/var/[^/]+/storage/images/12\.[a-z]+$"
#       every URL that matches this regular expression. The caller escapes
#       what it means literally; blanks and quotes are refused.
#
# The answer is 200 when it is done, 405 to who may not, 400 to what is not
# understood.
#
# Varnish appends the client to X-Forwarded-For. The gateway believes it with
# this in file.ini:
#
#   [Gateway]
#   TrustedProxies[]=127.0.0.1
vcl 4.1;

import std;

# One of the two: what "PURGE with xkey" does.
include "./keys-ban.vcl";

# The gateway. No probe here: one that is not ready, because its database has
# been away for long, says so itself, with Retry-After.
backend gateway {
    .host = "127.0.0.1";
    .port = "8080";
    .connect_timeout = 1s;
    .first_byte_timeout = 30s;
    .between_bytes_timeout = 30s;
}

# Its admin listener gets no traffic. Varnish probes a backend only on the
# backend's own port, so this one is here for its probe: it says whether
# expired copies may be refreshed or had better be kept.
backend gateway_admin {
    .host = "127.0.0.1";
    .port = "8081";
    .probe = {
        .url = "/readyz";
        .interval = 2s;
        .timeout = 1s;
        .window = 3;
        .threshold = 2;
        .initial = 2;
    }
}

# The web server with the PHP site.
backend site {
    .host = "127.0.0.1";
    .port = "8000";
}

# Who may invalidate: the hosts that run `dfsctl serve` or `dfsctl cdn run`.
acl purgers {
    "127.0.0.1";
    "::1";
}

sub vcl_recv {
    # What only this file may set.
    unset req.http.X-Ezdfs-Passed;
    if (req.restarts == 0) {
        unset req.http.X-Ezdfs-Stale;
    }

    # The legacy's rewrite rule: these paths are the gateway's.
    if (req.url ~ "^/var/([^/]+/)?storage/images(-versioned)?/") {
        set req.backend_hint = gateway;
    } else {
        set req.backend_hint = site;
    }

    if (req.method == "PURGE" || req.method == "BAN") {
        call ezdfs_invalidate;
    }
    if (req.backend_hint == gateway) {
        call ezdfs_recv;
    } else {
        # The rules of the site itself go here.
        return (pass);
    }
}

sub ezdfs_recv {
    # Varnish has put the client into X-Forwarded-For; the client's own word
    # about where it is would count for more.
    unset req.http.Forwarded;

    # Files are the same for everybody.
    unset req.http.Cookie;
    unset req.http.Authorization;

    # Origins whose scripts may read files: those of [Gateway] AllowOrigins[].
    # The gateway answers each by its name, so there is a copy of its own for
    # each. All others are one: nobody fills the cache by making up origins.
    if (req.http.Origin !~ "^https://www\.example\.com$") {
        unset req.http.Origin;
    }

    # The gateway says which methods there are.
    if (req.method != "GET" && req.method != "HEAD") {
        return (pass);
    }

    # Varnish knows a single range. Several it can not even pass on: those go
    # through a pipe, where the gateway alone answers. What is no range of bytes
    # asks for nothing, and neither does one of HEAD.
    std.collect(req.http.Range);
    if (req.method == "HEAD" || req.http.Range !~ "^(?i)bytes=[0-9, \t-]+$") {
        unset req.http.Range;
    } else if (req.http.Range !~ "^(?i)bytes=([0-9]{1,15}-[0-9]{0,15}|-[0-9]{1,15})$") {
        return (pipe);
    }
    # It knows neither these conditions nor lists of tags.
    std.collect(req.http.If-None-Match);
    if (req.http.If-Match || req.http.If-Unmodified-Since || req.http.If-None-Match ~ "[,*]") {
        return (pass);
    }

    # Signed URLs are for their holder. Any other query, such as ?v=2, is not
    # part of a file's name; without it a PURGE drops all of them.
    if (req.url ~ "[?&]signature=") {
        return (pass);
    }
    set req.url = regsub(req.url, "\?.*$", "");

    # A copy that expired is served while a new one is fetched: for a few
    # seconds, or for as long as there is one while the gateway is not well.
    if (std.healthy(gateway_admin) && !req.http.X-Ezdfs-Stale) {
        set req.grace = 10s;
    } else {
        set req.grace = 1d;
    }
}

# The same file under all names of the site: one copy, one PURGE.
sub vcl_hash {
    if (req.backend_hint == gateway) {
        hash_data(req.url);
        return (lookup);
    }
}

# One request, one answer: what the client sends next is for this file again.
sub vcl_pipe {
    set bereq.http.Connection = "close";
}

sub vcl_pass {
    set req.http.X-Ezdfs-Passed = "yes";
}

sub vcl_backend_fetch {
    unset bereq.http.X-Ezdfs-Passed;
    unset bereq.http.X-Ezdfs-Stale;
}

sub vcl_backend_response {
    if (bereq.backend == gateway) {
        call ezdfs_response;
    }
}

sub ezdfs_response {
    unset beresp.http.Set-Cookie;
    # 429: too many requests of the one client for whom this was fetched.
    if (beresp.status >= 500 || beresp.status == 429) {
        # Keep the old copy: neither replace nor hide it.
        if (bereq.is_bgfetch) {
            return (abandon);
        }
        set beresp.ttl = 0s;
        set beresp.grace = 0s;
        set beresp.keep = 0s;
        return (deliver);
    }
    # Large files pass through, where ranges are fetched as ranges: otherwise
    # each client that seeks in a video would fetch all of it.
    if (std.integer(beresp.http.Content-Length, 0) > 67108864) {
        return (pass(1h));
    }
    # Bans that look at the object alone are tested in the background, by the
    # ban lurker, and do not pile up: so the object has to know its URL.
    set beresp.http.X-Ezdfs-URL = bereq.url;
    set beresp.grace = 1d; # served while the gateway is down
    set beresp.keep = 3d; # revalidated by ETag instead of fetched
}

# A gateway that was restarted: its connections are gone, not the gateway.
sub vcl_backend_error {
    if (bereq.backend == gateway && bereq.retries == 0 && (bereq.method == "GET" || bereq.method == "HEAD")) {
        return (retry);
    }
}

sub vcl_deliver {
    if (req.backend_hint == gateway) {
        # An old copy is better than an error.
        if ((resp.status >= 500 || resp.status == 429) && req.restarts == 0 && !req.http.X-Ezdfs-Passed) {
            set req.http.X-Ezdfs-Stale = "yes";
            return (restart);
        }
        # What the gateway made of the range stands; and nothing of an empty
        # file is all of it.
        if (req.http.X-Ezdfs-Passed || resp.http.Content-Length == "0") {
            unset req.http.Range;
        }
        if (obj.hits > 0) {
            set resp.http.X-Cache = "hit";
        } else {
            set resp.http.X-Cache = "miss";
        }
    }
    unset resp.http.X-Ezdfs-URL;
    unset resp.http.xkey; # ours; Surrogate-Key and Cache-Tag are for a CDN in front
}

# Invalidation ---------------------------------------------------------------

sub ezdfs_invalidate {
    # Varnish has put the client into X-Forwarded-For. If somebody else is
    # there too, a proxy passed the request on, and the address that the ACL
    # would see is the proxy's. (With PROXY protocol client.ip is the client.)
    if (client.ip !~ purgers || req.http.X-Forwarded-For != "" + client.ip) {
        return (synth(405));
    }
    if (req.method == "BAN") {
        call ezdfs_ban;
    }
    if (req.http.xkey) {
        # Nothing that means anything in a regular expression.
        if (req.http.xkey !~ "^[0-9A-Za-z-]+( [0-9A-Za-z-]+)*$") {
            return (synth(400, "keys have letters, digits and dashes"));
        }
        call ezdfs_purge_keys;
    }
    set req.url = regsub(req.url, "\?.*$", "");
    return (purge);
}

sub ezdfs_ban {
    if (req.http.X-Ban-Prefix ~ "^/") {
        # It is text: each character that means something is escaped.
        set req.http.X-Ban-Pattern = "^" + regsuball(req.http.X-Ban-Prefix, "[][\\^$.|?*+(){}]", "\\\0");
    }
    # A blank would end the pattern, and && begin another condition.
    if (req.http.X-Ban-Pattern !~ "^[^\s\x22]+$") {
        return (synth(400, "send X-Ban-Prefix: /... or X-Ban-Pattern, without blanks and quotes"));
    }
    if (!std.ban("obj.http.X-Ezdfs-URL ~ " + req.http.X-Ban-Pattern)) {
        return (synth(400, std.ban_error()));
    }
    return (synth(200, "banned"));
}
