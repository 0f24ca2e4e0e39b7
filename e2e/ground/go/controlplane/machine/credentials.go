package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

type credentials struct {
	caCert, caKey, server, node, folder string
}

const validity = 365 * 24 * time.Hour

// writeCredentials makes the certificate that a bootstrapped kubelet has, user system:node:NAME in group
// system:nodes, and a kubeconfig that uses it. The Node authorizer and NodeRestriction go by these names.
func writeCredentials(c credentials) error {
	ca, err := tls.LoadX509KeyPair(c.caCert, c.caKey)
	if err != nil {
		return fmt.Errorf("reading the certificate authority: %w", err)
	}
	issuer, err := x509.ParseCertificate(ca.Certificate[0])
	if err != nil {
		return err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return err
	}
	template := x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: "system:node:" + c.node, Organization: []string{"system:nodes"}},
		NotBefore:    time.Now().Add(-5 * time.Minute),
		NotAfter:     time.Now().Add(validity),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	signed, err := x509.CreateCertificate(rand.Reader, &template, issuer, key.Public(), ca.PrivateKey.(crypto.Signer))
	if err != nil {
		return err
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	authority, err := os.ReadFile(c.caCert)
	if err != nil {
		return err
	}
	return writeKubeconfig(c, authority,
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: signed}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded}))
}

func writeKubeconfig(c credentials, authority, cert, key []byte) error {
	config := clientcmdapi.NewConfig()
	config.Clusters["ground"] = &clientcmdapi.Cluster{Server: c.server, CertificateAuthorityData: authority}
	config.AuthInfos["kubelet"] = &clientcmdapi.AuthInfo{ClientCertificateData: cert, ClientKeyData: key}
	config.Contexts["kubelet"] = &clientcmdapi.Context{Cluster: "ground", AuthInfo: "kubelet"}
	config.CurrentContext = "kubelet"
	if err := os.MkdirAll(c.folder, 0o700); err != nil {
		return err
	}
	return clientcmd.WriteToFile(*config, filepath.Join(c.folder, "kubeconfig"))
}
