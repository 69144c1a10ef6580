package main

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"tocsin/protocol/reason"
	"tocsin/protocol/recon"
)

// frameLimitVariable is the environment variable by which drivers of the line protocol set the limit.
const frameLimitVariable = "FRAMESIZELIMIT"

func newDebugReconCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "recon",
		Short: "Reconcile with another implementation, line by line",
		Long: `Speak the line protocol of the test harness of Negentropy (github.com/hoytech/negentropy) on
stdin and stdout, so that other implementations can be run against this one:

  item,TIMESTAMP,HEXID   put an item into the set
  seal                   the set is complete
  initiate               begin: answered by msg
  msg,HEX                take the other's message: answered by msg; who began answers
                         have,HEXID and need,HEXID for each difference first, and done
                         instead of msg when all is known

The environment variable FRAMESIZELIMIT bounds messages in bytes; 0 or unset is no limit. -o has
no effect. A line that is not understood ends the program with exit code 8.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return g.reconLines(os.Getenv(frameLimitVariable)) },
	}
}

// reconSession is one side of a reconciliation that is driven by lines. It answers until somebody says initiate.
type reconSession struct {
	limit     int
	items     []recon.Item
	responder *recon.Responder
	initiator *recon.Initiator
	set       *recon.Tree // nil until it is sealed
}

// reconLines answers the lines of stdin.
func (g *globals) reconLines(limit string) error {
	var s reconSession
	if limit != "" {
		n, err := strconv.Atoi(limit)
		if err != nil || n < 0 {
			return usagef("debug recon: %s=%s is no number of bytes", frameLimitVariable, limit)
		}
		s.limit = n
	}
	in, out := bufio.NewReaderSize(g.stdin, 64<<10), bufio.NewWriter(g.out)
	for number := 1; ; number++ {
		line, err := readDocument(in, false)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read stdin: %w", err)
		}
		if text := strings.TrimSuffix(string(line), "\r"); text != "" {
			if err := s.line(out, text); err != nil {
				return errors.Join(reason.Wrap(reason.SyncMessage, fmt.Sprintf("line %d", number), err), out.Flush())
			}
		}
		// The other side waits for the answer. Items have none, and there may be a million of them.
		if err := out.Flush(); err != nil {
			return fmt.Errorf("write the answer: %w", err)
		}
	}
}

// line does what one line says.
func (s *reconSession) line(out io.Writer, text string) error {
	verb, rest, _ := strings.Cut(text, ",")
	switch verb {
	case "item":
		return s.item(rest)
	case "seal":
		return s.seal()
	case "initiate":
		return s.initiate(out)
	case "msg":
		return s.message(out, rest)
	}
	return fmt.Errorf("%q is none of item, seal, initiate, msg", verb)
}

func (s *reconSession) item(text string) error {
	if s.set != nil {
		return errors.New("an item after seal")
	}
	number, id, _ := strings.Cut(text, ",")
	ts, err := strconv.ParseUint(number, 10, 64)
	if err != nil || ts == recon.Infinity {
		return fmt.Errorf("%q is no timestamp", number)
	}
	raw, err := hex.DecodeString(id)
	if err != nil || len(raw) != len(recon.ID{}) {
		return fmt.Errorf("%q is no id of %d bytes in hexadecimal", id, len(recon.ID{}))
	}
	s.items = append(s.items, recon.Item{Timestamp: ts, ID: recon.ID(raw)})
	return nil
}

func (s *reconSession) seal() (err error) {
	if s.set != nil {
		return errors.New("it was sealed before")
	}
	s.set = recon.NewTree(s.items)
	s.items = nil
	s.responder, err = recon.NewResponder(s.set, s.limit)
	return err
}

func (s *reconSession) initiate(out io.Writer) (err error) {
	if s.set == nil || s.initiator != nil {
		return errors.New("initiate comes once, after seal")
	}
	if s.initiator, err = recon.NewInitiator(s.set, s.limit); err != nil {
		return err
	}
	message, err := s.initiator.Initiate()
	if err != nil {
		return err
	}
	return writeMessage(out, message)
}

func (s *reconSession) message(out io.Writer, text string) error {
	message, err := hex.DecodeString(text)
	switch {
	case err != nil:
		return fmt.Errorf("read the message: %w", err)
	case s.set == nil:
		return errors.New("msg comes after seal")
	case s.initiator == nil:
		answer, err := s.responder.Answer(message)
		if err != nil {
			return err
		}
		return writeMessage(out, answer)
	}
	next, have, need, err := s.initiator.Reconcile(message)
	if err != nil {
		return err
	}
	for _, id := range have {
		if _, err := fmt.Fprintf(out, "have,%x\n", id); err != nil {
			return fmt.Errorf("write what we have: %w", err)
		}
	}
	for _, id := range need {
		if _, err := fmt.Fprintf(out, "need,%x\n", id); err != nil {
			return fmt.Errorf("write what we need: %w", err)
		}
	}
	if next == nil {
		_, err := fmt.Fprintln(out, "done")
		return err
	}
	return writeMessage(out, next)
}

func writeMessage(out io.Writer, message []byte) error {
	if _, err := fmt.Fprintf(out, "msg,%x\n", message); err != nil {
		return fmt.Errorf("write the message: %w", err)
	}
	return nil
}
