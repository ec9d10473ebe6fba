//go:build tools

// Package programs only names what the lab builds.
package programs

import _ "github.com/ipfs/kubo/cmd/ipfs"
