import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Child } from '../support/child.ts';

const MODULE = join(import.meta.dirname, 'go');
const GO_ENV = { ...process.env, GOTOOLCHAIN: 'local', CGO_ENABLED: '0', GOFLAGS: '-buildvcs=false' };

/** The path of the built Go extender, which only echoes. */
export interface GoEcho {
  /** Serves on this address, on one core, as one Node process does. */
  serve(address: string): Promise<Child>;
  remove(): void;
}

export const buildGoEcho = (): GoEcho => {
  const folder = mkdtempSync(join(tmpdir(), 'bench-extender-'));
  const program = join(folder, 'echo');
  const args = ['build', '-trimpath', '-o', program, '.'];
  execFileSync('go', args, { cwd: MODULE, env: GO_ENV, stdio: 'inherit' });
  return {
    serve: async (address) => {
      const child = new Child([program, address], { GOMAXPROCS: '1' });
      await child.said('listening');
      return child;
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
};
