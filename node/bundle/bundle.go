// Package bundle carries records in files to where no network goes: chunked, signed, resumable, in any order.
package bundle
