# PURGE with xkey by means of a ban: works with Varnish alone. The pattern is
# tested on each object, so a ban costs more the more objects there are; the
# ban lurker does it in the background.
sub ezdfs_purge_keys {
    # Whole keys: nothing but a blank, or nothing, on either side.
    if (!std.ban("obj.http.xkey ~ (?<!\S)(" + regsuball(req.http.xkey, " ", "|") + ")(?!\S)")) {
        return (synth(400, std.ban_error()));
    }
    return (synth(200, "banned"));
}
