package receipt_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net"
	"os"
	"path/filepath"
	"testing"

	"cloud.google.com/go/kms/apiv1/kmspb"
	"github.com/go-jose/go-jose/v4"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/receipt"
)

const (
	versions = "projects/p/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/"
	version  = versions + "1"
)

// fakeKMS is Cloud KMS at the wire, with the first version of a key, and perhaps more.
type fakeKMS struct {
	kmspb.UnimplementedKeyManagementServiceServer
	key  *ecdsa.PrivateKey
	more map[string]*ecdsa.PrivateKey // by version; nil: it is disabled
	down bool
}

func (f *fakeKMS) version(name string) (*ecdsa.PrivateKey, error) {
	if name == version {
		return f.key, nil
	}
	key, there := f.more[name]
	switch {
	case !there:
		return nil, status.Error(codes.NotFound, "no such version")
	case key == nil:
		return nil, status.Error(codes.FailedPrecondition, "the version is disabled")
	}
	return key, nil
}

// GetPublicKey implements the service.
func (f *fakeKMS) GetPublicKey(_ context.Context, r *kmspb.GetPublicKeyRequest) (*kmspb.PublicKey, error) {
	key, err := f.version(r.Name)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return nil, err
	}
	return &kmspb.PublicKey{Pem: string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))}, nil
}

// AsymmetricSign implements the service.
func (f *fakeKMS) AsymmetricSign(_ context.Context, r *kmspb.AsymmetricSignRequest) (*kmspb.AsymmetricSignResponse, error) {
	if f.down {
		return nil, status.Error(codes.FailedPrecondition, "the version is disabled")
	}
	key, err := f.version(r.Name)
	if err != nil {
		return nil, err
	}
	sig, err := key.Sign(rand.Reader, r.Digest.GetSha256(), crypto.SHA256)
	return &kmspb.AsymmetricSignResponse{Signature: sig}, err
}

func startKMS(t *testing.T, curve elliptic.Curve) (*fakeKMS, []option.ClientOption) {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	f := &fakeKMS{key: key}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	kmspb.RegisterKeyManagementServiceServer(server, f)
	go func() { _ = server.Serve(ln) }() // ends by Stop
	t.Cleanup(server.Stop)
	return f, []option.ClientOption{option.WithEndpoint(ln.Addr().String()), option.WithoutAuthentication(),
		option.WithGRPCDialOption(grpc.WithTransportCredentials(insecure.NewCredentials()))}
}

// What Cloud KMS signs is checked with the key set alone.
func TestKMS(t *testing.T) {
	t.Parallel()
	kms, opts := startKMS(t, elliptic.P256())
	signer, err := receipt.OpenKMS(t.Context(), version, opts...)
	if err != nil {
		t.Fatal(err)
	}
	for range 20 { // the two numbers of a signature are now and then shorter
		checkSigner(t, signer)
	}
	kms.down = true
	if _, err := receipt.Sign(&receipt.Receipt{}, signer); fault.Of(err) != fault.Unavailable {
		t.Errorf("%v, want an error that is tried again", err)
	}
	if _, err := receipt.OpenKMS(t.Context(), version+"0", opts...); err == nil {
		t.Error("a version that does not exist was opened")
	}
	_, other := startKMS(t, elliptic.P384())
	if _, err := receipt.OpenKMS(t.Context(), version, other...); err == nil {
		t.Error("a key of another curve was opened")
	}
}

// After a rotation what was signed before is checked as before, by all versions of the
// key that have not been disabled or destroyed.
func TestKMSRotated(t *testing.T) {
	t.Parallel()
	kms, opts := startKMS(t, elliptic.P256())
	first, err := receipt.OpenKMS(t.Context(), version, opts...)
	if err != nil {
		t.Fatal(err)
	}
	old, err := receipt.Sign(&receipt.Receipt{Request: "old"}, first)
	if err != nil {
		t.Fatal(err)
	}
	next, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	kms.more = map[string]*ecdsa.PrivateKey{versions + "2": nil, versions + "4": next} // 3 is gone
	signer, err := receipt.OpenKMS(t.Context(), versions+"4", opts...)
	if err != nil {
		t.Fatal(err)
	}
	checkSigner(t, signer)
	if r, err := receipt.Verify(old, signer.Keys()); err != nil || r.Request != "old" {
		t.Errorf("what was signed before: %+v, %v", r, err)
	}
	if n := len(signer.Keys().Keys); n != 2 {
		t.Errorf("%d keys, want 2", n)
	}
	if _, err := receipt.OpenKMS(t.Context(), versions+"x", opts...); err == nil {
		t.Error("a version without a number was opened")
	}
}

func TestFile(t *testing.T) {
	t.Parallel()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	signer, err := receipt.OpenFile(file)
	if err != nil {
		t.Fatal(err)
	}
	checkSigner(t, signer)
}

// checkSigner signs, and verifies with what /.well-known/jwks.json would say; a receipt
// is altered byte by byte, and each time refused.
func checkSigner(t *testing.T, signer *receipt.Signer) {
	t.Helper()
	text, err := json.Marshal(signer.Keys())
	if err != nil {
		t.Fatal(err)
	}
	keys := &jose.JSONWebKeySet{}
	if err := json.Unmarshal(text, keys); err != nil {
		t.Fatal(err)
	}
	jws, err := receipt.Sign(&receipt.Receipt{Request: "r", Stores: receipt.Stores{Events: receipt.Count{Found: 7, Deleted: 7}}}, signer)
	if err != nil {
		t.Fatal(err)
	}
	got, err := receipt.Verify(jws, keys)
	if err != nil || got.Request != "r" || got.Stores.Events.Deleted != 7 {
		t.Fatalf("%+v %v", got, err)
	}
	for i := range jws {
		altered := []byte(jws)
		if altered[i] = 'A'; jws[i] == 'A' {
			altered[i] = 'B'
		}
		if r, err := receipt.Verify(string(altered), keys); err == nil && !lastBits(jws, i) {
			t.Errorf("altered at %d, and verified: %+v", i, r)
		}
	}
}

// lastBits says whether a character ends a part of the JWS: of such a one base64 (RFC
// 4648, section 3.5) may ignore some bits.
func lastBits(jws string, i int) bool { return i+1 == len(jws) || jws[i+1] == '.' }
