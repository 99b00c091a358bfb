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
	"path"
	"strconv"
	"time"

	kms "cloud.google.com/go/kms/apiv1"
	"cloud.google.com/go/kms/apiv1/kmspb"
	"github.com/go-jose/go-jose/v4"
	"google.golang.org/api/option"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/lethe-analytics/lethe/shared/fault"
)

// Signer signs receipts.
type Signer struct {
	opaque  jose.OpaqueSigner
	earlier []jose.JSONWebKey // which sign no more
}

// Keys are the public keys by which the receipts can be checked (RFC 7517), the one
// that signs now first.
func (s *Signer) Keys() *jose.JSONWebKeySet {
	return &jose.JSONWebKeySet{Keys: append([]jose.JSONWebKey{*s.opaque.Public()}, s.earlier...)}
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
// (projects/…/cryptoKeyVersions/n, EC_SIGN_P256_SHA256). What the versions before it have
// signed can still be checked, but for those that are disabled or destroyed.
func OpenKMS(ctx context.Context, version string, opts ...option.ClientOption) (*Signer, error) {
	client, err := kms.NewKeyManagementClient(ctx, opts...)
	if err != nil {
		return nil, fmt.Errorf("open Cloud KMS: %w", err)
	}
	key, err := publicKey(ctx, client, version)
	if err != nil {
		return nil, err
	}
	s, err := newSigner(key, func(digest []byte) ([]byte, error) {
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
	if err != nil {
		return nil, err
	}
	versions, number := path.Split(version)
	newest, err := strconv.Atoi(number)
	if err != nil {
		return nil, fmt.Errorf("read the number of the version of the key of receipts: %w", err)
	}
	for n := 1; n < newest; n++ {
		key, err := publicKey(ctx, client, versions+strconv.Itoa(n))
		if c := status.Code(err); c == codes.NotFound || c == codes.FailedPrecondition {
			continue
		}
		if err != nil {
			return nil, err
		}
		earlier, err := webKey(key)
		if err != nil {
			return nil, err
		}
		s.earlier = append(s.earlier, *earlier)
	}
	return s, nil
}

// publicKey reads the public key of a version.
func publicKey(ctx context.Context, client *kms.KeyManagementClient, version string) (*ecdsa.PublicKey, error) {
	ctx, cancel := context.WithTimeout(ctx, kmsTimeout)
	defer cancel()
	got, err := client.GetPublicKey(ctx, &kmspb.GetPublicKeyRequest{Name: version})
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
	return key, nil
}

// opaque is a key that signs a SHA-256 digest and answers in ASN.1, as crypto and
// Cloud KMS do.
type opaque struct {
	public *jose.JSONWebKey
	sign   func(digest []byte) ([]byte, error)
}

func newSigner(key *ecdsa.PublicKey, sign func([]byte) ([]byte, error)) (*Signer, error) {
	public, err := webKey(key)
	if err != nil {
		return nil, err
	}
	return &Signer{opaque: &opaque{public, sign}}, nil
}

// webKey names a public key by its thumbprint.
func webKey(key *ecdsa.PublicKey) (*jose.JSONWebKey, error) {
	if key.Curve != elliptic.P256() {
		return nil, errors.New("the key of receipts is not on the curve P-256")
	}
	public := &jose.JSONWebKey{Key: key, Algorithm: string(jose.ES256), Use: "sig"}
	print, err := public.Thumbprint(crypto.SHA256) // RFC 7638
	if err != nil {
		return nil, fmt.Errorf("name the key of receipts: %w", err)
	}
	public.KeyID = base64.RawURLEncoding.EncodeToString(print)
	return public, nil
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
