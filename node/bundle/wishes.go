package bundle

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"

	"tocsin/protocol"
	"tocsin/protocol/reason"
	"tocsin/storage"
)

// The bounds of wishes (BND-11).
const (
	wishesPrefix = "tocsin:wishes/"
	maxWishLogs  = 20_000
	maxMissing   = 64
	maxWishText  = 8 << 20
	checksumSize = 4
)

// Wishes say what a receiver holds of each key log, so that an exporter leaves that out (BND-11).
type Wishes struct {
	logs map[wishKey]wish
}

type wishKey struct {
	name  [8]byte // of organisation and key
	topic string
}

type wish struct {
	head    uint64
	missing [][2]uint64
}

type wireWishes struct {
	_       struct{} `cbor:",toarray"`
	Version uint64
	Network string
	Logs    []wireWish
}

type wireWish struct {
	_       struct{} `cbor:",toarray"`
	Name    []byte
	Topic   string
	Head    uint64
	Missing [][2]uint64
}

// wishName shortens a log's organisation and key: wishes shall fit a QR code where they can. Whoever finds
// two logs of one name makes a bundle smaller, no more.
func wishName(org protocol.OrgID, key protocol.KeyID) ([8]byte, error) {
	raw, err := encode([]any{"tocsin/1", "log", org[:], key[:]})
	if err != nil {
		return [8]byte{}, err
	}
	sum := sha256.Sum256(raw)
	return [8]byte(sum[:8]), nil
}

// WishesOf says what a store holds, in how many logs. Of a log with more holes than fit, the head is put below the first that does not: then
// too much is sent and not too little. For the same reason logs beyond the limit are not named.
func WishesOf(s *storage.Store, network string) (string, int, error) {
	w := wireWishes{Version: 1, Network: network}
	logs, places := s.Inventory()
	for len(places) > 0 && len(w.Logs) < maxWishLogs {
		n := 1
		for n < len(places) && places[n].Log == places[0].Log {
			n++
		}
		log := logs[places[0].Log]
		name, err := wishName(log.Org, log.Key)
		if err != nil {
			return "", 0, err
		}
		one := wireWish{Name: name[:], Topic: log.Topic.String()}
		one.Head, one.Missing = missingIn(places[:n])
		w.Logs, places = append(w.Logs, one), places[n:]
	}
	slices.SortFunc(w.Logs, func(a, b wireWish) int {
		return cmp.Or(bytes.Compare(a.Name, b.Name), cmp.Compare(a.Topic, b.Topic))
	})
	raw, err := encode(w)
	if err != nil {
		return "", 0, err
	}
	sum := checksum(raw)
	return wishesPrefix + base64.RawURLEncoding.EncodeToString(append(raw, sum[:]...)), len(w.Logs), nil
}

// missingIn lists the first holes between the places of one log, and up to where it is described.
func missingIn(places []storage.Place) (head uint64, missing [][2]uint64) {
	for _, p := range places {
		if p.Sequence > head+1 {
			if len(missing) == maxMissing {
				return head, missing
			}
			missing = append(missing, [2]uint64{head + 1, p.Sequence - 1})
		}
		head = p.Sequence
	}
	return head, missing
}

func checksum(raw []byte) [checksumSize]byte {
	sum := sha256.Sum256(append([]byte(wishesPrefix), raw...))
	return [checksumSize]byte(sum[:checksumSize])
}

// ReadWishes reads the text of wishes for a network. What breaks a rule is usage.invalid: it came from a person's file.
func ReadWishes(network, text string) (*Wishes, error) {
	// BND-11
	bad := func(what string) error { return reason.New(reason.UsageInvalid, "read the wishes: "+what) }
	if len(text) > maxWishText {
		return nil, bad(fmt.Sprintf("they have %d characters, at most %d are read", len(text), maxWishText))
	}
	coded, ok := strings.CutPrefix(strings.Join(strings.Fields(text), ""), wishesPrefix)
	if !ok {
		return nil, bad("they begin with " + wishesPrefix + ", as 'tocsin bundle heads' prints them")
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(coded)
	if err != nil || len(raw) < checksumSize {
		return nil, bad("they are not whole: copy them again")
	}
	raw, sum := raw[:len(raw)-checksumSize], raw[len(raw)-checksumSize:]
	if want := checksum(raw); !bytes.Equal(want[:], sum) {
		return nil, bad("they are not whole: copy them again")
	}
	var w wireWishes
	if err := decode(raw, &w, maxWishLogs); err != nil {
		return nil, reason.Wrap(reason.UsageInvalid, "read the wishes", err)
	}
	if w.Version != 1 {
		return nil, bad(fmt.Sprintf("they are of version %d, this program reads 1", w.Version))
	}
	if w.Network != network {
		return nil, bad(fmt.Sprintf("they are of network %.64q, and this node is in %q", w.Network, network))
	}
	out := &Wishes{logs: make(map[wishKey]wish, len(w.Logs))}
	for _, l := range w.Logs {
		if len(l.Name) != 8 || len(l.Topic) > protocol.MaxTopicName || len(l.Missing) > maxMissing {
			return nil, bad("a log in them is out of its bounds")
		}
		end := uint64(0)
		for _, run := range l.Missing {
			if run[0] <= end || run[1] < run[0] || run[1] > l.Head {
				return nil, bad("a log in them is out of its bounds")
			}
			end = run[1]
		}
		out.logs[wishKey{[8]byte(l.Name), l.Topic}] = wish{l.Head, l.Missing}
	}
	return out, nil
}

// lacks reports whether the receiver lacks a place of a log. A nil receiver lacks everything.
func (w *Wishes) lacks(name [8]byte, topic string, sequence uint64) bool {
	if w == nil {
		return true
	}
	have, ok := w.logs[wishKey{name, topic}]
	if !ok || sequence > have.head {
		return true
	}
	for _, run := range have.missing {
		if sequence >= run[0] && sequence <= run[1] {
			return true
		}
	}
	return false
}
