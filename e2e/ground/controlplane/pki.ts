import { createPrivateKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { generate } from 'selfsigned';
import { INSIDE } from '../host/addresses.ts';

/** A certificate with its key, both in PEM, and their paths on disk. */
export interface Identity {
  readonly certificate: string;
  readonly key: string;
  readonly certificatePath: string;
  readonly keyPath: string;
}

export interface Pki {
  readonly ca: Identity;
  readonly apiserver: Identity;
  readonly clients: Readonly<Record<ClientName, Identity>>;
  /** The key that signs service accounts' tokens. */
  readonly serviceAccountKeyPath: string;
}

const CLIENTS = {
  admin: { cn: 'admin', o: 'system:masters' },
  apiserver: { cn: 'kube-apiserver-kubelet-client', o: 'system:masters' },
  scheduler: { cn: 'system:kube-scheduler', o: undefined },
  'controller-manager': { cn: 'system:kube-controller-manager', o: undefined },
  'kube-proxy': { cn: 'system:kube-proxy', o: undefined },
  kubelet: { cn: 'system:node:real-1', o: 'system:nodes' },
  coredns: { cn: 'system:coredns', o: undefined },
  'network-policies': { cn: 'system:network-policies', o: undefined },
} as const;

export type ClientName = keyof typeof CLIENTS;

const YEAR_MS = 365 * 24 * 3_600_000;

/**
 * The ground's certificates: those in `dir` if they are for this address and valid for another month, else new ones.
 */
export async function certificatesFor(dir: string, address: string): Promise<Pki> {
  return readPki(dir, address) ?? (await makePki(dir, address));
}

function readPki(dir: string, address: string): Pki | undefined {
  try {
    const pki: Pki = {
      ca: read(dir, 'ca'),
      apiserver: read(dir, 'server'),
      clients: mapClients((name) => read(dir, name)),
      serviceAccountKeyPath: join(dir, 'service-accounts.key'),
    };
    readFileSync(pki.serviceAccountKeyPath);
    const serving = new X509Certificate(pki.apiserver.certificate);
    if (!serving.verify(new X509Certificate(pki.ca.certificate).publicKey)) return undefined;
    const isFresh = serving.validToDate.getTime() - Date.now() > YEAR_MS / 12;
    return isFresh && serving.checkIP(address) !== undefined ? pki : undefined;
  } catch {
    return undefined;
  }
}

async function makePki(dir: string, address: string): Promise<Pki> {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const authority = await generate([{ name: 'commonName', value: 'ground' }], {
    ...validity(),
    extensions: [
      { name: 'basicConstraints', cA: true, critical: true },
      { name: 'keyUsage', keyCertSign: true, cRLSign: true, digitalSignature: true, critical: true },
    ],
  });
  const ca = { key: authority.private, cert: authority.cert };
  const server = await generate([{ name: 'commonName', value: 'kube-apiserver' }], {
    ...validity(),
    ca,
    extensions: [
      { name: 'extKeyUsage', serverAuth: true },
      {
        name: 'subjectAltName',
        altNames: [
          ...[address, '127.0.0.1', INSIDE.kubernetesService].map((ip) => ({ type: 7 as const, ip })),
          ...['localhost', 'kubernetes', 'kubernetes.default', 'kubernetes.default.svc'].map((value) => ({
            type: 2 as const,
            value,
          })),
        ],
      },
    ],
  });
  const clients = {} as Record<ClientName, Identity>;
  for (const name of clientNames()) {
    const { cn, o } = CLIENTS[name];
    const subject = [{ name: 'commonName', value: cn as string }];
    if (o !== undefined) subject.unshift({ name: 'organizationName', value: o });
    const client = await generate(subject, {
      ...validity(),
      ca,
      extensions: [{ name: 'extKeyUsage', clientAuth: true }],
    });
    clients[name] = write(dir, name, client.cert, client.private);
  }
  const serviceAccountKeyPath = join(dir, 'service-accounts.key');
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  writeFileSync(serviceAccountKeyPath, privateKey.export({ type: 'sec1', format: 'pem' }), { mode: 0o600 });
  return {
    ca: write(dir, 'ca', authority.cert, authority.private),
    apiserver: write(dir, 'server', server.cert, server.private),
    clients,
    serviceAccountKeyPath,
  };
}

function validity() {
  const now = Date.now();
  return {
    keyType: 'ec' as const,
    curve: 'P-256' as const,
    algorithm: 'sha256',
    // Clocks of machines that were asleep run behind.
    notBeforeDate: new Date(now - 3_600_000),
    notAfterDate: new Date(now + YEAR_MS),
  };
}

function read(dir: string, name: string): Identity {
  const certificatePath = join(dir, `${name}.crt`);
  const keyPath = join(dir, `${name}.key`);
  return {
    certificatePath,
    keyPath,
    certificate: readFileSync(certificatePath, 'utf8'),
    key: readFileSync(keyPath, 'utf8'),
  };
}

function write(dir: string, name: string, certificate: string, privateKey: string): Identity {
  // Older key readers in Kubernetes know this form of EC keys only.
  const key = createPrivateKey(privateKey).export({ type: 'sec1', format: 'pem' }).toString();
  writeFileSync(join(dir, `${name}.crt`), certificate);
  writeFileSync(join(dir, `${name}.key`), key, { mode: 0o600 });
  return read(dir, name);
}

function clientNames(): ClientName[] {
  return Object.keys(CLIENTS) as ClientName[];
}

function mapClients(make: (name: ClientName) => Identity): Record<ClientName, Identity> {
  return Object.fromEntries(clientNames().map((name) => [name, make(name)])) as Record<ClientName, Identity>;
}
