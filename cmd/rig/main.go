// Command rig kills, starves and damages real processes of the node and counts what is lost: each rig has a short form,
// which the tests run, and a long one for make soak.
package main

func main() {}
