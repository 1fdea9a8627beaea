package server

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"slices"
	"strings"
	"time"

	"example.com/ezdfs/internal/trusted"
	"example.com/ezdfs/settings"
)

// Options say where to serve and how much of it.
type Options struct {
	// Listen are the public addresses, AdminListen the one of the admin
	// handler, "" for none: host:port, :port, unix:/path.
	Listen      []string
	AdminListen string
	// ReusePort takes addresses over from another process that listens there,
	// which is to end then; without it that is an [*InUseError].
	ReusePort bool
	// SocketMode is the mode of Unix sockets, 0666 by default.
	SocketMode fs.FileMode
	// Sockets and AdminSockets are listening already, given by a service
	// manager. They take the place of Listen and of AdminListen. The server
	// closes them.
	Sockets, AdminSockets []net.Listener

	// TLSCertificate and TLSKey are files in PEM; empty for no TLS. The admin
	// listener never has any.
	TLSCertificate, TLSKey string
	// Proxies may tell who their clients are.
	Proxies trusted.Proxies
	// ProxyProtocol has them do so by the PROXY protocol.
	ProxyProtocol bool

	// MaxConnections are served at once, the next ones wait; 0 for no limit.
	MaxConnections int
	// MaxRequests are worked on at once, the next ones are refused; 0 for no
	// limit.
	MaxRequests int
	// ClientShare is how many percent of MaxRequests one client has, 25 by
	// default, 100 for all of them. Clients are told apart by address, those of
	// IPv6 by network (/64). Who is on this host, and Proxies, which speak for
	// many, have no such bound.
	ClientShare int
	// MaxHeaderBytes and MaxURLBytes bound a request, 16K and 8K by default.
	MaxHeaderBytes, MaxURLBytes int
	// ReadHeaderTimeout is how long a client may take to send a header,
	// IdleTimeout how long a connection may wait for the next request,
	// StallTimeout how long a client may take nothing of what it asked for.
	// Zero means a default of 10, 60 and 60 seconds.
	ReadHeaderTimeout, IdleTimeout, StallTimeout time.Duration
	// DrainTimeout is how long requests may go on once the server is to end;
	// zero breaks them off.
	DrainTimeout time.Duration
	// Settle is how long connections that were on their way are still
	// accepted after a newer process took over the address, half a second by
	// default.
	Settle time.Duration

	// Logger gets what goes wrong with connections, at level debug, and what
	// an administrator has to know. Nil logs nothing.
	Logger *slog.Logger
}

func (o Options) withDefaults() Options {
	o.SocketMode = cmp.Or(o.SocketMode, 0o666)
	o.ClientShare = cmp.Or(o.ClientShare, 25)
	o.MaxHeaderBytes = cmp.Or(o.MaxHeaderBytes, 16<<10)
	o.MaxURLBytes = cmp.Or(o.MaxURLBytes, 8<<10)
	o.ReadHeaderTimeout = cmp.Or(o.ReadHeaderTimeout, 10*time.Second)
	o.IdleTimeout = cmp.Or(o.IdleTimeout, time.Minute)
	o.StallTimeout = cmp.Or(o.StallTimeout, time.Minute)
	o.Settle = cmp.Or(o.Settle, 500*time.Millisecond)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// OptionsFrom reads the options from [Gateway] of file.ini. Sockets, ReusePort
// and Logger are left to the caller.
func OptionsFrom(s settings.Settings) (Options, error) {
	g := s.Gateway
	proxies, err := trusted.Parse(g.TrustedProxies)
	if err != nil {
		return Options{}, fmt.Errorf("[Gateway] TrustedProxies: %w", err)
	}
	o := Options{
		Listen: strings.FieldsFunc(g.Listen, func(r rune) bool { return r == ',' || r == ' ' }), AdminListen: g.AdminListen,
		SocketMode: g.SocketMode, TLSCertificate: g.TLSCertificate, TLSKey: g.TLSKey,
		Proxies: proxies, ProxyProtocol: g.ProxyProtocol,
		MaxConnections: g.MaxConnections, MaxRequests: g.MaxRequests, ClientShare: g.ClientShare,
		ReadHeaderTimeout: g.ReadHeaderTimeout, IdleTimeout: g.IdleTimeout, StallTimeout: g.StallTimeout,
		DrainTimeout: g.DrainTimeout,
	}
	return o, o.check()
}

// check names what can hardly be meant.
func (o Options) check() error {
	if (o.TLSCertificate == "") != (o.TLSKey == "") {
		return errors.New("[Gateway] TLSCertificate and TLSKey: set both or neither")
	}
	if o.ProxyProtocol && o.Proxies.Empty() {
		return errors.New("[Gateway] ProxyProtocol: nobody is trusted to speak it; name the proxies in TrustedProxies")
	}
	if len(o.Listen)+len(o.Sockets) == 0 {
		return errors.New("[Gateway] Listen: no address to serve on")
	}
	if o.AdminListen != "" && slices.Contains(o.Listen, o.AdminListen) && !strings.HasSuffix(o.AdminListen, ":0") {
		// Both could be bound, and would share the public's connections.
		return fmt.Errorf("[Gateway] AdminListen: %s is in Listen too; the public must not get there", o.AdminListen)
	}
	return nil
}
