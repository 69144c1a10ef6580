package pattern

import (
	"strings"

	"golang.org/x/net/idna"
)

// The lengths that DNS allows.
const (
	maxName  = 253
	maxLabel = 63
)

const (
	className    = classHexDigit | classLetter | classHyphen | classUnderscore
	classLetters = classHex | classLetter
)

// domain reads a domain name in any spelling; it needs two labels or more, the
// last of letters and not the ending of a file name.
func domain(v string, mask uint16) (string, bool) {
	if mask&(classDot|classHigh) == 0 || !only(mask, className|classDot|classHigh|classWildcard) {
		return "", false
	}
	switch {
	case strings.HasPrefix(v, "*."):
		v = v[2:]
	case v[0] == '.':
		v = v[1:]
	}
	name, ok := hostName(v)
	if !ok {
		return "", false
	}
	i := strings.LastIndexByte(name, '.')
	if i < 0 {
		return "", false
	}
	last := name[i+1:]
	return name, isTopLevel(last) && !isFileEnding(last)
}

// isTopLevel reports whether a label has the form of a top-level domain.
func isTopLevel(label string) bool {
	return len(label) > 1 && only(classesOf(label), classLetters) || strings.HasPrefix(label, "xn--")
}

// hostName reads a host name of one label or more and gives it in lower case,
// as A-labels, without a trailing dot. Underscores are allowed: real names
// have them.
func hostName(v string) (string, bool) {
	mask := classesOf(v)
	if mask&classHigh != 0 {
		mapped, ok := mapName(v)
		if !ok {
			return "", false
		}
		v, mask = mapped, classesOf(mapped)
	}
	v = strings.TrimSuffix(v, ".")
	if v == "" || len(v) > maxName || !only(mask, className|classDot) {
		return "", false
	}
	start := 0
	for i := 0; i <= len(v); i++ {
		if i < len(v) && v[i] != '.' {
			continue
		}
		if i == start || i-start > maxLabel {
			return "", false
		}
		start = i + 1
	}
	return lower(v, mask), true
}

// mapName turns a name beyond ASCII into A-labels (UTS 46, non-transitional),
// as leniently as the tables allow: real names break the registration rules.
func mapName(v string) (string, bool) {
	if len(v) > 4*maxName {
		return "", false
	}
	lenient := idna.New(idna.MapForLookup(), idna.Transitional(false), idna.StrictDomainName(false),
		idna.CheckHyphens(false), idna.CheckJoiners(false))
	name, err := lenient.ToASCII(v)
	if err != nil || name == "" || classesOf(name)&(classHigh|classSpace) != 0 {
		return "", false
	}
	return name, true
}

// isFileEnding knows the endings of file names that are no top-level domains;
// a name that ends so is text.
func isFileEnding(label string) bool {
	switch label {
	case "exe", "dll", "sys", "bat", "cmd", "scr", "cpl", "ocx", "drv", "msi", "msp", "lnk", "reg", "inf", "tlb", "efi",
		"ps1", "psm1", "psd1", "vbs", "vbe", "js", "jse", "mjs", "wsf", "wsh", "hta", "vba", "pyc", "pyd", "pyw", "rb", "lua",
		"jar", "war", "class", "apk", "aab", "dex", "ipa", "plist", "dylib", "elf", "ko", "bin", "out", "obj", "lib", "pdb",
		"doc", "docx", "docm", "dotx", "dotm", "xls", "xlsx", "xlsm", "xlsb", "xll", "ppt", "pptx", "pptm", "rtf", "pdf", "odt", "ods",
		"txt", "log", "csv", "tsv", "xml", "json", "yaml", "yml", "toml", "ini", "cfg", "conf", "config", "manifest", "properties",
		"dat", "db", "sqlite", "sqlite3", "mdb", "tmp", "temp", "bak", "old", "swp", "lock",
		"htm", "html", "xhtml", "mht", "php", "asp", "aspx", "ashx", "jsp", "jspx", "cgi", "css",
		"svg", "png", "jpg", "jpeg", "gif", "bmp", "ico", "tif", "tiff", "webp", "mp3", "mp4", "avi", "wav", "mkv",
		"tar", "gz", "tgz", "bz2", "xz", "rar", "iso", "img", "vhd", "vhdx", "dmg", "pkg", "deb", "rpm",
		"eml", "msg", "pst", "ost", "chm", "url", "crt", "cer", "pem", "pfx", "p12", "crl", "csr", "kdbx",
		"evtx", "etl", "pcap", "pcapng", "yar", "yara", "sql":
		return true
	}
	return false
}
