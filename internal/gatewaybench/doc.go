// Package gatewaybench measures dfsctl serve beside other servers of the same
// files, all on one machine and in one run, with wrk as the client:
//
//	make bench-gateway
//
// wrk has a thread for each core. With one thread that is what ends first when
// files are large, and the figures say no more than how the kernel shares the
// work of delivery on loopback between wrk and the server: by large bodies nginx
// is then 1.3 times as fast with tcp_nopush as without it, and without it not
// faster than net/http, though the packets of both take the same time in all.
//
// It prints one table. What counts is the ratio to nginx: absolute figures are
// those of the machine, on whose cores client and server share. The processor
// time that the server took for a request says what is left when the client is
// elsewhere.
package gatewaybench
