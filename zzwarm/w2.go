package warm

import _ "github.com/libp2p/go-libp2p/p2p/discovery/mdns"
