package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tocsin/node/admin/api"
	"tocsin/node/evidence"
	"tocsin/node/figures"
	"tocsin/node/identity"
	"tocsin/protocol"
	"tocsin/protocol/reason"
)

// maxRecordFile bounds a record file: it is verified in memory.
const maxRecordFile = 512 << 20

func newVerifyCommand(g *globals) *cobra.Command {
	var network string
	c := &cobra.Command{
		Use:   "verify FILE|-",
		Short: "Check a record file, a proof or an evidence pack without any node",
		Long: `Check what "tocsin show --proof" or an export wrote: chain statements, then records
or proofs of single objects. Everything that is needed is in the file; no node and no
network is asked. It says who signed, which record it is, what stands in it (patterns and
values defanged, and cut after 200 characters), and why it holds or fails; the last line is
the verdict. It does not say whether you trust the signer: compare the organisation's id
with your trust list, or its eight words over another channel.

Of an evidence pack ("tocsin evidence") it prints the cover sheet and says of each step
whether it holds: who made it, the object, when it was first seen, the audit log, and who
witnessed that. Of a pack that fails the steps that fail stand first, and the cover sheet is
not shown. A pack names its network itself; one that went by mail (CR LF) is read, too.

Signatures are bound to a network: --network, else the configured one, else "main".

Exit codes: 0 everything in the file holds, 8 something does not, 2 usage, 6 no such file.`,
		Example: "  tocsin show indicator--... --proof > proof.tocsin\n  tocsin verify proof.tocsin",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			raw, err := g.readAll(args[0], maxRecordFile)
			if err != nil {
				return err
			}
			if evidence.IsPack(raw[:min(len(raw), evidence.MaxPackBytes)]) {
				return g.verifyPack(network, raw)
			}
			if network == "" {
				cfg, _, err := loadConfig(g)
				if err != nil {
					return err
				}
				network = cfg.Network
			}
			return g.verify(network, raw)
		},
	}
	c.Flags().StringVar(&network, "network", "", "network that the signatures are for")
	return c
}

// readAll reads a whole input of at most limit bytes.
func (g *globals) readAll(file string, limit int64) ([]byte, error) {
	in, _, err := g.open(file)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	raw, err := io.ReadAll(io.LimitReader(in, limit+1))
	if err != nil {
		return nil, fileError(err)
	}
	if int64(len(raw)) > limit {
		return nil, reason.New(reason.InputSize, fmt.Sprintf("read %s: more than %d bytes", file, limit))
	}
	return raw, nil
}

// verifyReport is the answer of verify.
type verifyReport struct {
	OK      bool         `json:"ok"`
	Network string       `json:"network"`
	Items   []verifyItem `json:"items"`
}

// verifyItem is what one item of a record file turned out to be.
type verifyItem struct {
	Kind string `json:"kind"` // statement, record, proof or file
	OK   bool   `json:"ok"`
	verifySigner
	Record  string           `json:"record,omitempty"`
	Content string           `json:"content,omitempty"` // the statement's type or the record's kind
	Topic   string           `json:"topic,omitempty"`
	TLP     string           `json:"tlp,omitempty"`
	Created *time.Time       `json:"created,omitempty"`
	Objects []verifiedObject `json:"objects,omitempty"`
	Code    string           `json:"code,omitempty"`
	Why     string           `json:"why"`
}

// verifySigner is the organisation that signed an item.
type verifySigner struct {
	Org   string `json:"org,omitempty"`
	Name  string `json:"name,omitempty"`  // what the organisation calls itself
	Words string `json:"words,omitempty"` // the eight words of its id
}

// verifiedObject is one object of a record.
type verifiedObject struct {
	Index   int    `json:"index"`
	ID      string `json:"id"`
	Type    string `json:"type"`
	Content string `json:"content"` // pattern, value or the like, defanged and cut
}

// verify checks a record file, prints what it found and ends with its exit code.
func (g *globals) verify(network string, raw []byte) error {
	report := verifyFile(network, raw)
	if err := g.emit(report, func(w io.Writer) { g.showVerified(w, report) }); err != nil {
		return err
	}
	if i := slices.IndexFunc(report.Items, func(i verifyItem) bool { return !i.OK }); i >= 0 {
		bad := report.Items[i]
		// The particulars stand in the report already.
		p := api.NewProblem(reason.Code(bad.Code), fmt.Sprintf("verify: %s %d of %d does not hold; the report says why", bad.Kind, i+1, len(report.Items)))
		if bad.Code == string(reason.SigInvalid) {
			p.Fix += " If it is of another network, name that with --network."
		}
		return &exitError{code: exitInvalid, problem: p}
	}
	return nil
}

// verifyFile checks every item of a record file.
func verifyFile(network string, raw []byte) verifyReport {
	report := verifyReport{Network: network}
	items, err := protocol.ReadFile(network, raw)
	if err == nil && len(items) == 0 {
		err = reason.New(reason.WireFraming, "there is nothing in it to verify")
	}
	if err != nil {
		report.Items = []verifyItem{failed(verifyItem{Kind: "file"}, err)}
		return report
	}
	var statements []*protocol.Statement
	for _, item := range items {
		if item.Statement != nil {
			statements = append(statements, item.Statement)
		}
	}
	// What fails here is found again, by itself, in verifyStatement.
	chains, _, _ := protocol.NewChains(network).With(statements...)
	report.OK = true
	for _, item := range items {
		var v verifyItem
		switch {
		case item.Statement != nil:
			v = verifyStatement(network, chains, item.Statement)
		case item.Record != nil:
			v = verifyRecord(chains, item.Record)
		default:
			v = verifyProof(chains, item.Proof)
		}
		report.OK = report.OK && v.OK
		report.Items = append(report.Items, v)
	}
	return report
}

// failed says why an item does not hold.
func failed(v verifyItem, err error) verifyItem {
	p := api.ProblemOf(err)
	v.OK, v.Code, v.Why = false, p.Code, p.Detail
	return v
}

func verifyStatement(network string, chains *protocol.Chains, s *protocol.Statement) verifyItem {
	v := verifyItem{Kind: "statement", verifySigner: signerOf(chains, s.Org()), Content: string(s.Type())}
	if _, _, errs := chains.With(s); len(errs) > 0 {
		v = failed(v, errs[0])
		if v.Code == string(reason.SigInvalid) {
			v.Why += fmt.Sprintf("; perhaps signed for another network than %q", network)
		}
		return v
	}
	v.OK, v.Why = true, "signed by the keys that the organisation's chain names"
	return v
}

func verifyRecord(chains *protocol.Chains, raw []byte) verifyItem {
	v := verifyItem{Kind: "record"}
	r, err := protocol.VerifyStored(raw, chains)
	if err != nil {
		return failed(v, err)
	}
	v.Record = r.ID().String()
	v.sign(chains, r.Org(), r.Header())
	if r.Header().Kind == protocol.KindObjects {
		leaves, err := r.Open()
		if err != nil {
			return failed(v, err)
		}
		for i, leaf := range leaves {
			if leaf.Object == nil {
				continue // erased before the file was made
			}
			v.Objects = append(v.Objects, describe(i, leaf.Object))
		}
	}
	v.OK, v.Why = true, "the signature holds, and the objects are those that were signed"
	if n := len(r.Missing()); n > 0 {
		v.Why += fmt.Sprintf("; %d of them were erased, which their hashes show", n)
	}
	if v.Objects == nil {
		v.Why = "the signature holds for the record's body"
	}
	return v
}

func verifyProof(chains *protocol.Chains, raw []byte) verifyItem {
	v := verifyItem{Kind: "proof"}
	p, err := protocol.VerifyProof(raw, chains)
	if err != nil {
		return failed(v, err)
	}
	v.Record = p.Record().String()
	v.sign(chains, p.Org(), p.Header())
	v.Objects = []verifiedObject{describe(p.Index(), p.Object())}
	v.OK, v.Why = true, "the signature holds, and the object stands in the signed record"
	return v
}

// sign fills in who signed what header.
func (v *verifyItem) sign(chains *protocol.Chains, org protocol.OrgID, h protocol.Header) {
	created := h.Created.UTC()
	v.verifySigner = signerOf(chains, org)
	v.Content, v.Topic, v.TLP, v.Created = h.Kind.String(), h.Topic.String(), h.TLP.String(), &created
}

// signerOf says who an organisation is. What it calls itself proves nothing; by its words people compare it (ID-05).
func signerOf(chains *protocol.Chains, org protocol.OrgID) verifySigner {
	out := verifySigner{Org: org.String(), Words: strings.Join(identity.Words(org), " ")}
	if o, ok := chains.Org(org); ok {
		out.Name = o.Genesis.Name
	}
	return out
}

// describe names an object. Its content is not judged here: it was signed, sound or not.
func describe(index int, raw []byte) verifiedObject {
	about := evidence.Describe(raw)
	if !json.Valid(raw) {
		about.ID = "(no JSON)"
	}
	return verifiedObject{Index: index, ID: about.ID, Type: about.Type, Content: about.Content}
}

// showVerified prints a report for people.
func (g *globals) showVerified(w io.Writer, report verifyReport) {
	for _, v := range report.Items {
		mark := g.paint("holds", colorGood)
		if !v.OK {
			mark = g.paint("FAILS", colorBad)
		}
		fmt.Fprintf(w, "%s  %s\n", mark, strings.TrimRight(v.Kind+" "+clean(v.Content), " "))
		line := func(label, text string) {
			if text != "" {
				fmt.Fprintf(w, "  %-8s %s\n", label, text)
			}
		}
		switch {
		case v.Name != "":
			line("by", fmt.Sprintf("%s, calls itself %q", v.Org, clean(v.Name)))
		case v.Org != "":
			line("by", v.Org)
		}
		if v.Kind != "statement" { // those of one chain would say it again and again
			line("words", v.Words)
		}
		line("record", v.Record)
		if v.Created != nil {
			line("created", fmt.Sprintf("%s on %s, %s", g.stamp(*v.Created), clean(v.Topic), v.TLP))
		}
		for _, o := range v.Objects {
			line("object", fmt.Sprintf("#%d %s", o.Index, clean(o.ID)))
			if o.Content != "" {
				line("", fmt.Sprintf("%s: %s", clean(o.Type), clean(o.Content)))
			}
		}
		line("why", clean(v.Why))
	}
	fmt.Fprintf(w, "\n%s\n", g.verdict(report))
}

// verdict is a report in one line.
func (g *globals) verdict(report verifyReport) string {
	failed := 0
	for _, v := range report.Items {
		if !v.OK {
			failed++
		}
	}
	if failed > 0 {
		return g.paint("VERDICT: THE FILE FAILS", colorBad) + fmt.Sprintf(", %d of %s failed. Do not rely on what it says.", failed, figures.Count(len(report.Items), "item"))
	}
	return g.paint("VERDICT: the file holds", colorGood) + fmt.Sprintf(", %s checked. Whether the signers are who they say: compare the words.", figures.Count(len(report.Items), "item"))
}
