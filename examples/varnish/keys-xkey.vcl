# PURGE with xkey by the index of vmod xkey, from the package varnish-modules:
# as fast with a million objects as with ten.
#
# "xkey-soft: 1" expires the objects instead of removing them: they are still
# served while the new copy is fetched, or while the gateway is down.
import xkey;

sub ezdfs_purge_keys {
    if (req.http.xkey-soft) {
        set req.http.X-Purged = xkey.softpurge(req.http.xkey);
    } else {
        set req.http.X-Purged = xkey.purge(req.http.xkey);
    }
    return (synth(200, "purged " + req.http.X-Purged));
}
