import { readFileSync } from 'node:fs';
import t from 'tap';
import { until } from '../ready.ts';
import { isAlive, markedProcesses, recordedProcesses, startProcess, stopProcesses } from './processes.ts';

t.test('a process is found by its record and, with its children, by its marker', async (t) => {
  const dir = t.testdir();
  const started = startProcess(dir, { name: 'parent', argv: ['sh', '-c', 'sleep 60 & echo ready; wait'] });
  t.teardown(() => stopProcesses(markedProcesses(dir), 0));
  await until('the child is there', 5_000, async () => readFileSync(started.log, 'utf8').includes('ready'));
  t.strictSame(recordedProcesses(dir), [started]);
  t.ok(isAlive(started));
  await until('both carry the marker', 5_000, async () => markedProcesses(dir).length === 2);
  await stopProcesses(markedProcesses(dir), 1_000);
  t.notOk(isAlive(started));
  t.strictSame(markedProcesses(dir), []);
});

t.test('a process that ignores SIGTERM is killed after its grace', async (t) => {
  const dir = t.testdir();
  const started = startProcess(dir, {
    name: 'stubborn',
    argv: ['sh', '-c', 'trap "" TERM; echo ready; while :; do sleep 1; done'],
  });
  t.teardown(() => stopProcesses(markedProcesses(dir), 0));
  await until('the trap is set', 5_000, async () => readFileSync(started.log, 'utf8').includes('ready'));
  await stopProcesses([started], 100);
  t.notOk(isAlive(started));
});

t.test('a later process with the same pid is left alone', async (t) => {
  const dir = t.testdir();
  const started = startProcess(dir, { name: 'later', argv: ['sleep', '60'] });
  t.teardown(() => stopProcesses([started], 0));
  const earlier = { pid: started.pid, startTicks: String(Number(started.startTicks) - 1) };
  t.notOk(isAlive(earlier));
  await stopProcesses([earlier], 0);
  t.ok(isAlive(started));
});

t.test('a program that is not there is an error that names it', async (t) => {
  t.throws(
    () => startProcess(t.testdir(), { name: 'none', argv: ['/no/such/program'] }),
    /\/no\/such\/program can't be started/,
  );
});
