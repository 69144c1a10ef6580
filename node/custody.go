package node

import (
	"context"
	"path/filepath"

	"tocsin/node/audit"
	"tocsin/node/custody"
	"tocsin/node/identity"
	"tocsin/node/keystore"
	"tocsin/node/outbox"
	"tocsin/protocol"
	"tocsin/protocol/reason"
	"tocsin/storage"
)

// openIdentity opens keys and chains. What a kill interrupted between the two is
// finished or undone first.
func (n *Node) openIdentity(paths Paths, cfg Config) (*keystore.Keys, *identity.Book, error) {
	chains, err := identity.Open(filepath.Join(paths.State(), "identity.cbor"), cfg.Network)
	if err != nil {
		return nil, nil, err
	}
	if own, ok := chains.Own(); ok {
		if err := custody.Resume(paths.Data, chains.Chains(), own); err != nil {
			return nil, nil, err
		}
	}
	keys, err := keystore.Load(paths.Data)
	if reason.Of(err) == reason.NodeNotFound { // state is here, so the node was restored without them
		return nil, nil, reason.New(reason.KeyFile, "no keys in "+filepath.Join(paths.Data, "keys")+", though the node's state is there: 'tocsin backup keys FILE' puts them back")
	}
	if err != nil {
		return nil, nil, err
	}
	n.own, err = owner(chains, keys)
	return keys, chains, err
}

// openCustody wires the custody of keys, and has the outbox make sure that its logs are its own.
func (n *Node) openCustody(paths Paths, o Options, keys *keystore.Keys, chains *identity.Book) (*custody.Office, error) {
	office, err := custody.New(custody.Deps{
		Data: paths.Data, Store: n.Store, Identity: chains, Outbox: n.Outbox, Keys: keys, Own: n.own,
		Announce: n.Host.Announce,
		Note: func(ctx context.Context, e audit.Event) error {
			_, err := n.Audit.Append(ctx, e)
			return err
		},
	})
	if err != nil {
		return nil, err
	}
	safety := outbox.Safety{Elsewhere: n.elsewhere, Replace: office.Replace, Ends: office.Ends}
	if !o.Memory { // a store in memory is behind its own past at every start
		if safety.Reservations, err = outbox.OpenReservations(filepath.Join(paths.State(), "reserved.json")); err != nil {
			return nil, err
		}
	}
	n.Outbox.Guard(safety)
	return office, nil
}

// elsewhere asks peers what they hold of this node's own key.
func (n *Node) elsewhere(ctx context.Context, key protocol.KeyID, heads []protocol.Head,
	at func(protocol.Topic, uint64) (protocol.RecordID, bool)) []*protocol.Record {
	found := n.Host.OwnHeads(ctx, n.own, key, heads, at)
	log.Debugw("asked peers for own heads", "key", key, "asked", found.Asked, "records", len(found.Records))
	return found.Records
}

// heads are the ends of a key's logs that this node holds, for whoever asks.
func (n *Node) heads(org protocol.OrgID, key protocol.KeyID) []protocol.Head {
	var out []protocol.Head
	for _, l := range n.Store.Logs() {
		if l.Key == key && l.Org == org {
			out = append(out, protocol.Head{Key: key, Topic: l.Topic, Sequence: l.Head, ID: l.HeadID})
		}
	}
	return out
}

// recordAt is the record at a place of a key log as sent, nil when it is not held.
func (n *Node) recordAt(org protocol.OrgID, key protocol.KeyID, topic protocol.Topic, sequence uint64) []byte {
	id, ok := n.Store.At(org, key, topic, sequence)
	if !ok {
		return nil
	}
	form, raw, err := n.Store.Fetch(id)
	if err != nil || form != storage.Full {
		return nil
	}
	return raw
}
