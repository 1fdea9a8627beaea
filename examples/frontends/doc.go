// Package frontends has no code: its tests start real web servers and caches
// with the example configurations beside it, in front of a real gateway, and
// hold what comes through against the table of package gatewaytest.
//
// testdata/differences.jsonl lists the exchanges in which a front end answers
// otherwise than the gateway, with what it answers and why that is right.
package frontends
