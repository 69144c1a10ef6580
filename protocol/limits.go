package protocol

import "time"

// Every number that a conforming node holds others to (SPEC 8). Each is a
// limit on what comes from outside; the comment gives its reason.
const (
	MaxRecordBytes        = 1 << 20                                 // a record of any kind, as sent; catch-up carries it in one round
	MaxGossipBytes        = 60 << 10                                // a record by gossip; leaves room under the pubsub maximum
	MaxPubsubBytes        = 128 << 10                               // one pubsub RPC message
	MaxHeaderBytes        = 4 << 10                                 // the COSE_Sign1 header alone
	TargetRecordBytes     = 16 << 10                                // what the packer aims at: larger records slow the mesh
	MaxRawBytes           = 8 << 20                                 // a body after decompression
	MaxPrunedBytes        = MaxRawBytes + 32<<10                    // a pruned record, which is not compressed: header, leaves, a hash for each that is gone
	MaxRawRatio           = 64                                      // and not more than this many times the body as sent
	MaxWindowBytes        = 8 << 20                                 // zstd window
	MaxLeaves             = 500                                     // objects in a record
	MaxObjectBytes        = 1 << 20                                 // one STIX object
	MaxIdentityBytes      = 16 << 10                                // body of an identity record
	MaxIdentitySignatures = 64                                      // signatures in the statements of an identity record, which are all checked; a chain of 5 roots keeps room for 50 certificates
	MaxWithdrawalBytes    = 32 << 10                                // body of a withdrawal: 500 targets
	MaxForkBytes          = 2*MaxHeaderBytes + 7                    // body of a fork record: two headers, each behind the head of a byte string
	MaxReasonBytes        = 500                                     // why an organisation vouches, for people
	MaxVouchLife          = 180 * 24 * time.Hour                    // a vouch; it is renewed by people who still know each other
	MaxPromises           = 16                                      // sentences on either side of a commitment
	MaxPromiseBytes       = 300                                     // one of them
	MaxRetraction         = 365 * 24 * time.Hour                    // a time to take back what proved wrong
	MaxRetention          = 100 * 365 * 24 * time.Hour              // a time to keep what was received
	MaxCommitmentLife     = 400 * 24 * time.Hour                    // a commitment; its record is not stored longer
	MaxAdvisoryText       = 4000                                    // bytes of an advisory's text
	MaxEvidence           = 50                                      // records that an advisory rests on
	MaxAdvisoryLife       = 90 * 24 * time.Hour                     // an advisory; who still means it says it again
	MaxInviteAddrs        = 4                                       // addresses in an invitation: IPv4 and IPv6, each by two transports
	MaxInviteAddrBytes    = 200                                     // one of them in binary form, a name and a peer id included
	MaxInviteText         = 4 << 10                                 // characters of an invitation with the white space that mail put in
	MaxReceiptBytes       = 4 << 10                                 // body of a receipt: one hybrid HPKE message
	MaxGroupBytes         = 48 << 10                                // body of a group record; with its header it still goes by gossip
	MaxOpaqueBytes        = 16 << 10                                // body of a record of unknown kind
	MaxOpaqueControl      = 2 << 10                                 // the same on the control topic
	MaxKind               = 1 << 15                                 // kinds from here up are Ignored
	MaxTopicName          = 40                                      // characters
	MaxUpstream           = 100                                     // bytes of an upstream label
	MaxProducer           = 200                                     // bytes of a default producer's name
	MaxValidFor           = 100 * 365 * 24 * time.Hour              // a default life of objects; keeps sums far from overflow
	MaxTime               = 253402300799999                         // Unix ms: the end of the year 9999
	SaltBytes             = 16                                      // before each object, so that its leaf hash tells nothing
	MaxFileItems          = 1 << 17                                 // items in a record file
	MaxProofBytes         = MaxObjectBytes + MaxHeaderBytes + 1<<10 // a proof: header, object, nine digests
	MaxStatementBytes     = 5 << 10                                 // one chain statement; genesis, operations and certificate fit an identity record together
	MaxNameBytes          = 200                                     // an organisation's name in its genesis
	MaxSectorBytes        = 64                                      // its sector
	MaxContacts           = 8                                       // ways to reach it
	MaxContactBytes       = 200                                     // one of them: an address or a URL
	MaxRoots              = 5                                       // root keys of an organisation
	MaxRootLineBytes      = 11 << 10                                // genesis and roots of an organisation together; two disputed roots still fit an identity record
	MaxRootLineSignatures = 48                                      // and the signatures in them
	MaxRevocations        = 64                                      // revocations kept per organisation
	RevocationReserve     = 6 << 10                                 // bytes of an identity record that revocations leave to what comes after them, if it has as many for both
	RevocationReserveSigs = 12                                      // and signatures
	StatusLife            = 7 * 24 * time.Hour                      // how long a status holds: without a newer one the organisation is stale
	MaxHeads              = 80                                      // heads in a statement: ten nodes on eight topics
	MaxStatusLead         = 1000                                    // counts of a status ahead of one an hour since genesis
	MaxProposalBytes      = 4 << 10                                 // a proposal in a key ceremony, or a part of one
	MaxOperations         = 8                                       // operations statements kept per organisation: a year each, and a few spare
	MaxCertificates       = 64                                      // certificates kept per organisation, as far as they fit an identity record
	MaxPeerIDBytes        = 64                                      // a libp2p peer id in binary form: 34 or 38 today
	MaxEncryptionKey      = 1280                                    // an encryption key: X25519 with ML-KEM-768 is 1,216
	MaxScopes             = 32                                      // topics or kinds that a certificate lists
	MaxPeerIDs            = 8                                       // peer ids in a certificate
	MaxStorage            = 400 * 24 * time.Hour                    // expires - created
	MaxOperationsWindow   = 400 * 24 * time.Hour                    // life of an operations key
	MaxCertificateWindow  = 90 * 24 * time.Hour                     // life of a node certificate
	CertificateWindow     = 30 * 24 * time.Hour                     // life a node gives its own certificate
	ClockSkew             = 10 * time.Minute                        // how far ahead a clock may be
)
