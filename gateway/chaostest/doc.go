// Package chaostest takes the database and a store away from a gateway that is
// under load, stops them and makes them hang, and holds against what is to be
// served meanwhile what was served. It has nothing but tests:
//
//	go test ./gateway/chaostest                   # outages of some seconds
//	DFS_TEST_LONG=1 go test ./gateway/chaostest   # of a minute
package chaostest
