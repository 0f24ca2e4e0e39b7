#!/usr/bin/env node

/** What `precision-packer` and `kubectl precision-packer` start, once it is JavaScript (e2e/package). */
const OLDEST = 20;

if (Number.parseInt(process.versions.node, 10) < OLDEST) {
  process.stderr.write(
    `precision-packer needs Node.js ${OLDEST} or newer, and this is ${process.versions.node}: install a newer one.\n`,
  );
  process.exitCode = 1;
} else {
  await import('./olderruntime.ts');
  await import('../main.ts');
}

export {};
