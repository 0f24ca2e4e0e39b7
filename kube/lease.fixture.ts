import { CONFIG_MAPS } from '../api/resources.ts';
import { connect } from './client.ts';
import { FencedError } from './errors.ts';
import { runElected } from './lease.ts';
import { createLogger } from './log.ts';

/** A leader that writes as fast as it can, for tests that stop it: lease.fixture.ts KUBECONFIG NAMESPACE IDENTITY. */
const [kubeconfig = '', namespace = '', identity = ''] = process.argv.slice(2);
const client = connect({ kubeconfig, userAgent: identity });
const say = (text: string): void => void process.stdout.write(`${text}\n`);

await runElected({
  client,
  namespace,
  name: 'fenced',
  identity,
  leaseDurationMs: 1500,
  renewDeadlineMs: 1000,
  retryPeriodMs: 200,
  signal: new AbortController().signal,
  log: createLogger({ component: 'fixture', level: 'silent' }),
  onLeader: async (signal, fenced) => {
    say('leading');
    const write = async (lane: number): Promise<void> => {
      for (let n = 0; !signal.aborted; n++)
        try {
          await fenced.patch(
            CONFIG_MAPS,
            { name: 'written', namespace },
            { data: { [`${identity}-${lane}`]: String(n) } },
          );
        } catch (e) {
          say(e instanceof FencedError ? 'fenced' : `failed ${String(e)}`);
        }
    };
    await Promise.all([1, 2, 3, 4].map(write));
    say('lost');
  },
});
