// Package gatewaybench measures dfsctl serve beside other servers of the same
// files, all on one machine and in one run, with wrk as the client:
//
//	make bench-gateway
//
// It prints one table. What counts is the ratio to nginx: absolute figures are
// those of the machine, on whose cores client and server share. The processor
// time that the server took for a request says what is left when the client is
// elsewhere.
package gatewaybench
