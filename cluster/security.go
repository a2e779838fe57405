package cluster

import (
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"

	"github.com/shmkit/shmkit/cluster/internal/wire"
)

// A role is what a program is in a cluster, and may do there.
type role string

const (
	roleCaller role = "caller"
	roleHost   role = "host"
)

// keyOf derives the key of a role from the secret, which itself never travels.
func keyOf(secret string, r role) (nkeys.KeyPair, error) {
	seed, err := derive(secret, "nkey "+string(r), 32)
	if err != nil {
		return nil, err
	}
	encoded, err := nkeys.EncodeSeed(nkeys.PrefixByteUser, seed)
	if err != nil {
		return nil, fmt.Errorf("cluster: derive a key: %w", err)
	}
	return nkeys.FromSeed(encoded)
}

// peerPassword is what servers show to each other.
func peerPassword(secret string) (string, error) {
	b, err := derive(secret, "peer", 32)
	return hex.EncodeToString(b), err
}

func derive(secret, purpose string, size int) ([]byte, error) {
	b, err := hkdf.Key(sha256.New, []byte(secret), []byte("shmkit cluster 1"), purpose, size)
	if err != nil {
		return nil, fmt.Errorf("cluster: derive a key: %w", err)
	}
	return b, nil
}

// users are the two roles, with what each may do.
func users(secret string) ([]*server.NkeyUser, error) {
	var all []*server.NkeyUser
	for r, may := range permissions {
		key, err := keyOf(secret, r)
		if err != nil {
			return nil, err
		}
		public, err := key.PublicKey()
		if err != nil {
			return nil, fmt.Errorf("cluster: derive a key: %w", err)
		}
		all = append(all, &server.NkeyUser{Nkey: public, Permissions: &server.Permissions{
			Publish:   &server.SubjectPermission{Allow: may.publish},
			Subscribe: &server.SubjectPermission{Allow: may.subscribe},
		}})
	}
	return all, nil
}

// permissions are the subjects of each role. A host may not submit tasks, end those of a caller, or
// read what is not for it.
var permissions = map[role]struct{ publish, subscribe []string }{
	roleCaller: {
		publish: []string{wire.Prefix + ">", "$JS.API.>", "$JS.ACK.>", "$KV.>", "_INBOX.>"},
		subscribe: []string{wire.Prefix + "r.*", wire.Prefix + "k.*", wire.Prefix + "g.*", wire.Prefix + "a.>", wire.Prefix + "l.>",
			"_INBOX.>"},
	},
	roleHost: {
		publish: []string{wire.Prefix + "r.*", wire.Prefix + "k.*", wire.Prefix + "g.*", wire.Prefix + "a.>", wire.Prefix + "l.>",
			"$JS.API.CONSUMER.MSG.NEXT.>", "$JS.API.STREAM.PURGE.>", "$JS.ACK.>", "_INBOX.>"},
		subscribe: []string{wire.Prefix + "x.>", wire.Prefix + "g.*", wire.Prefix + "c.>", wire.Prefix + "s.*", "_INBOX.>"},
	},
}
