import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * Folder in which Node keeps the modules that it has compiled, for NODE_COMPILE_CACHE. A run starts thousands of processes that
 * import the same files, and with this each file is stripped of its types and compiled once.
 */
export const COMPILED = join(tmpdir(), 'precision-packer-compiled');
