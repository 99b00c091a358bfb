package receipt

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"time"

	kms "cloud.google.com/go/kms/apiv1"
	"cloud.google.com/go/kms/apiv1/kmspb"
	"github.com/go-jose/go-jose/v4"
	"google.golang.org/api/option"

	"github.com/lethe-analytics/lethe/shared/fault"
)

// Signer signs receipts.
type Signer struct {
	opaque jose.OpaqueSigner
}

// Keys are the public keys by which the receipts can be checked (RFC 7517).
func (s *Signer) Keys() *jose.JSONWebKeySet {
	return &jose.JSONWebKeySet{Keys: []jose.JSONWebKey{*s.opaque.Public()}}
}

// OpenFile makes a signer with the key of a PEM file (PKCS #8, EC P-256).
func OpenFile(file string) (*Signer, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("open the key of receipts: %w", err)
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("the key of receipts is not PEM")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("read the key of receipts: %w", err)
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok {
		return nil, errors.New("the key of receipts is no EC key")
	}
	return newSigner(&key.PublicKey, func(digest []byte) ([]byte, error) { return key.Sign(nil, digest, crypto.SHA256) })
}

// kmsTimeout is how long Cloud KMS may take.
const kmsTimeout = 10 * time.Second

// OpenKMS makes a signer with a version of a key of Cloud KMS
// (projects/…/cryptoKeyVersions/n, EC_SIGN_P256_SHA256).
func OpenKMS(ctx context.Context, version string, opts ...option.ClientOption) (*Signer, error) {
	client, err := kms.NewKeyManagementClient(ctx, opts...)
	if err != nil {
		return nil, fmt.Errorf("open Cloud KMS: %w", err)
	}
	first, cancel := context.WithTimeout(ctx, kmsTimeout)
	defer cancel()
	got, err := client.GetPublicKey(first, &kmspb.GetPublicKeyRequest{Name: version})
	if err != nil {
		return nil, fmt.Errorf("read the public key of receipts: %w", err)
	}
	block, _ := pem.Decode([]byte(got.Pem))
	if block == nil {
		return nil, errors.New("the public key of receipts is not PEM")
	}
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("read the public key of receipts: %w", err)
	}
	key, ok := parsed.(*ecdsa.PublicKey)
	if !ok {
		return nil, errors.New("the key of receipts is no EC key")
	}
	return newSigner(key, func(digest []byte) ([]byte, error) {
		ctx, cancel := context.WithTimeout(context.Background(), kmsTimeout)
		defer cancel()
		signed, err := client.AsymmetricSign(ctx, &kmspb.AsymmetricSignRequest{
			Name: version, Digest: &kmspb.Digest{Digest: &kmspb.Digest_Sha256{Sha256: digest}},
		})
		if err != nil {
			return nil, fault.Wrap(fault.Unavailable, err, "Cloud KMS did not sign")
		}
		return signed.Signature, nil
	})
}

// opaque is a key that signs a SHA-256 digest and answers in ASN.1, as crypto and
// Cloud KMS do.
type opaque struct {
	public *jose.JSONWebKey
	sign   func(digest []byte) ([]byte, error)
}

func newSigner(key *ecdsa.PublicKey, sign func([]byte) ([]byte, error)) (*Signer, error) {
	if key.Curve != elliptic.P256() {
		return nil, errors.New("the key of receipts is not on the curve P-256")
	}
	public := &jose.JSONWebKey{Key: key, Algorithm: string(jose.ES256), Use: "sig"}
	print, err := public.Thumbprint(crypto.SHA256) // RFC 7638
	if err != nil {
		return nil, fmt.Errorf("name the key of receipts: %w", err)
	}
	public.KeyID = base64.RawURLEncoding.EncodeToString(print)
	return &Signer{&opaque{public, sign}}, nil
}

// Public implements jose.OpaqueSigner.
func (o *opaque) Public() *jose.JSONWebKey { return o.public }

// Algs implements jose.OpaqueSigner.
func (o *opaque) Algs() []jose.SignatureAlgorithm { return []jose.SignatureAlgorithm{jose.ES256} }

// SignPayload implements jose.OpaqueSigner: JWS wants the two numbers of the
// signature side by side (RFC 7518, section 3.4).
func (o *opaque) SignPayload(payload []byte, _ jose.SignatureAlgorithm) ([]byte, error) {
	digest := sha256.Sum256(payload)
	der, err := o.sign(digest[:])
	if err != nil {
		return nil, err
	}
	var sig struct{ R, S *big.Int }
	if rest, err := asn1.Unmarshal(der, &sig); err != nil || len(rest) > 0 {
		return nil, fmt.Errorf("read a signature: %w", err)
	}
	if sig.R.Sign() <= 0 || sig.S.Sign() <= 0 || sig.R.BitLen() > 256 || sig.S.BitLen() > 256 {
		return nil, errors.New("a signature is out of range")
	}
	out := make([]byte, 64)
	sig.R.FillBytes(out[:32])
	sig.S.FillBytes(out[32:])
	return out, nil
}
