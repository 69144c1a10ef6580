package storage

// Report is what Check found.
type Report struct {
	Records, Objects, Held int
	// Problems are sentences, each naming the record and what is wrong; empty means sound.
	Problems []string
}

// Check reads a closed store record by record and holds everything against
// everything else. It shares no code with the writer.
func Check(dir string) (Report, error) { panic("unwritten") }
