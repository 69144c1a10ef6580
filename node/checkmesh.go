package node

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"tocsin/node/catchup"
	"tocsin/node/doctor"
	"tocsin/node/figures"
	"tocsin/node/p2p"
)

// checkReachable says whether others got through to this node: only a connection that a peer opened proves it.
func (n *Node) checkReachable() doctor.Finding {
	inbound, connected := n.Host.Inbound(), connectedOf(n.Host.Peers())
	outside := false
	for _, addr := range n.Host.Addrs() {
		outside = outside || !strings.HasPrefix(addr, "/ip4/127.") && !strings.HasPrefix(addr, "/ip6/::1/")
	}
	switch {
	case inbound > 0:
		return doctor.Good("%d of %s came by themselves", inbound, figures.Count(connected, "peer"))
	case !outside:
		return doctor.None("the node listens on this machine only")
	case connected == 0:
		return doctor.None("not measured: no peer is connected")
	}
	return doctor.Odd("if others cannot reach it, open the UDP and TCP ports of 'listen' to this machine in the firewall",
		"not proven: all that there is was opened from here (%s)", figures.Count(connected, "connection"))
}

func connectedOf(peers []p2p.PeerInfo) (n int) {
	for _, p := range peers {
		if p.Connected {
			n++
		}
	}
	return n
}

func (n *Node) checkPeers() doctor.Finding { return peerFinding(n.Host.Peers()) }

// peerFinding says which kept peers do not answer, and why.
func peerFinding(peers []p2p.PeerInfo) doctor.Finding {
	var silent []string
	moved := 0
	for _, p := range peers {
		if p.Connected {
			continue
		}
		why := cmp.Or(absence(p), "not tried yet")
		if strings.HasPrefix(why, p2p.ItselfThere) || strings.HasPrefix(why, p2p.AnotherThere) {
			moved++
		}
		silent = append(silent, fmt.Sprintf("%.16s: %.160s", p.ID, strings.ReplaceAll(why, "\n", " ")))
	}
	connected := connectedOf(peers)
	fix := "check that it runs and that no firewall stands between; it is tried again by itself ('tocsin peers' shows all)"
	if moved > 0 && moved == len(silent) {
		fix = "ask its operator for its address of today, add that ('tocsin peers add ADDRESS') and remove this one ('tocsin peers remove')"
	}
	switch {
	case len(peers) == 0:
		return doctor.Odd("accept an invitation ('tocsin invite accept'), or 'tocsin peers add ADDRESS'", "no peer is known: the node is alone")
	case connected == 0:
		return doctor.Bad(fix, "none of %s is connected: %s", figures.Count(len(peers), "peer"), some(silent))
	case len(silent) > 0:
		return doctor.Odd(fix, "not connected (%d of %s): %s", len(silent), figures.Count(len(peers), "peer"), some(silent))
	}
	return doctor.Good("%d connected", connected)
}

// absence says why a peer that is kept is not connected: how the last attempt failed, else when its connection ended; "" where
// there was neither.
func absence(p p2p.PeerInfo) string {
	if p.LastError == "" && !p.Since.IsZero() {
		return "its connection ended " + since(p.Since)
	}
	return p.LastError
}

// thinMesh is the number of mesh peers below which one lost peer may cut a topic off.
const thinMesh = 3

func (n *Node) checkMesh() doctor.Finding {
	return meshFinding(n.Host.Topics(), connectedOf(n.Host.Peers()))
}

func meshFinding(topics []p2p.TopicInfo, connected int) doctor.Finding {
	if connected == 0 {
		return doctor.None("no peer is connected: see peers")
	}
	var thin, lonely []string
	for _, t := range topics {
		switch {
		case t.Peers == 0:
			lonely = append(lonely, t.Topic.String())
		case t.Mesh == 0 || t.Mesh < thinMesh && t.Peers >= thinMesh:
			thin = append(thin, fmt.Sprintf("%s (%d of %d)", t.Topic, t.Mesh, t.Peers))
		}
	}
	switch {
	case len(thin) > 0:
		return doctor.Odd("wait a minute after a start; else see 'tocsin topics' and 'tocsin peers' for what is rejected", "few peers pass records on at once: %s", some(thin))
	case len(lonely) == len(topics) && len(topics) > 0:
		return doctor.Odd("see that both sides join the same topics and the same network ('tocsin topics', 'network' in tocsin.toml)", "no connected peer shares a topic with this node")
	case len(lonely) > 0:
		return doctor.Good("%s; nobody else is on %s", figures.Count(len(topics), "topic"), some(lonely))
	}
	return doctor.Good("%s", figures.Count(len(topics), "topic"))
}

// lateCatchUp is when a node counts as not caught up: a round is due every two minutes at most.
const lateCatchUp = 15 * time.Minute

func (n *Node) checkCatchUp() doctor.Finding {
	return catchUpFinding(n.catchup.Status(), connectedOf(n.Host.Peers()), n.started)
}

func catchUpFinding(s catchup.Status, connected int, started time.Time) doctor.Finding {
	var failed []string
	for _, p := range s.Peers {
		if p.Error != "" {
			failed = append(failed, fmt.Sprintf("%.16s: %.160s", p.ID, p.Error))
		}
	}
	late, upTo := time.Since(s.CaughtUp) > lateCatchUp, "caught up to "+since(s.CaughtUp)
	if s.CaughtUp.IsZero() {
		late, upTo = time.Since(started) > lateCatchUp, "never caught up since the start"
	}
	const fix = "see 'tocsin sync status', or ask again with 'tocsin sync now'"
	switch {
	case connected == 0 && late:
		return doctor.Odd("see peers: there is nobody to fetch from", "%s, and no peer is connected", upTo)
	case connected == 0:
		return doctor.None("no peer is connected: see peers")
	case late && len(failed) > 0:
		return doctor.Odd(fix, "%s; comparing fails: %s", upTo, some(failed))
	case late:
		return doctor.Odd(fix, "%s; still to come: %s", upTo, figures.Count(s.Behind, "record"))
	case s.Behind > 0:
		return doctor.Odd("wait: it is under way ('tocsin sync status')", "still to come: %s, at %.0f a second", figures.Count(s.Behind, "record"), s.Rate)
	case s.CaughtUp.IsZero():
		return doctor.None("not compared with any peer yet")
	}
	return doctor.Good("%s, equal with %d of %s", upTo, s.Equal, figures.Count(s.Asked, "peer"))
}
