/** An architecture as OCI and Debian call it. */
export type Architecture = 'amd64' | 'arm64';

export const ARCHITECTURES: readonly Architecture[] = ['amd64', 'arm64'];

/** The architecture of this machine. Throws where no image is built for it. */
export function ownArchitecture(): Architecture {
  if (process.arch === 'x64') return 'amd64';
  if (process.arch === 'arm64') return 'arm64';
  throw new Error(`images are built on amd64 and arm64 only, not on ${process.arch}`);
}

/** As Node's packages call it. */
export const nodeArchitecture = (architecture: Architecture): 'x64' | 'arm64' =>
  architecture === 'amd64' ? 'x64' : 'arm64';
