import { spawn } from 'node:child_process';
import { once } from 'node:events';
import t from 'tap';

const main = new URL('./main.ts', import.meta.url).href;
const errors = new URL('../errors.ts', import.meta.url).href;

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

const run = async (work: string, act?: (kill: (signal: NodeJS.Signals) => void) => void): Promise<Ended> => {
  const source = `import { runMain } from '${main}'; import { OptionsError } from '${errors}'; await runMain(async ({ signal, log }) => { ${work} }, { component: 'test' });`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', source], { stdio: 'pipe' });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    if (text.includes('ready')) act?.((signal) => void child.kill(signal));
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, stdout, stderr };
};

const WAIT = `process.stdout.write('ready\\n'); const timer = setInterval(() => {}, 1000); await new Promise((r) => signal.addEventListener('abort', r)); clearInterval(timer);`;

t.test('SIGTERM lets the work finish, and the process exits with 0', async (t) => {
  const ended = await run(`${WAIT} process.stdout.write('cleaned up');`, (kill) => kill('SIGTERM'));
  t.equal(ended.code, 0);
  t.match(ended.stdout, /cleaned up/);
  t.match(ended.stdout, /"signal":"SIGTERM","msg":"stopping"/);
});

t.test('a second signal ends the process at once', async (t) => {
  const stuck = `process.stdout.write('ready\\n'); signal.addEventListener('abort', () => process.stdout.write('ready to be ended')); await new Promise((r) => setTimeout(r, 60000));`;
  t.equal((await run(stuck, (kill) => kill('SIGINT'))).code, 1);
});

t.test('an error in the options is printed in one line', async (t) => {
  const ended = await run(`throw new OptionsError('--port is wrong');`);
  t.same(ended, { code: 1, stdout: '', stderr: 'error: --port is wrong\n' });
});

t.test('an uncaught error is printed in one line, and the process exits with 1', async (t) => {
  for (const work of [
    `Promise.reject(new Error('nobody')); ${WAIT}`,
    `setTimeout(() => { throw new Error('nobody'); }, 1); ${WAIT}`,
    `throw new Error('nobody');`,
  ]) {
    const ended = await run(work);
    t.equal(ended.code, 1);
    t.match(ended.stdout, /"level":"fatal".*nobody/);
  }
});
