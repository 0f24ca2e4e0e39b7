import t from 'tap';
import { chosen, uninstallSeed } from './chosen.ts';

t.test('every scene is played within as many days as there are, and all of them in a soak', async (t) => {
  const scenes = ['a', 'b', 'c'];
  const today = Date.parse('2026-06-01T12:00:00Z');
  const days = [0, 1, 2].map((day) => uninstallSeed({}, today + day * 86_400_000));
  t.strictSame(days.flatMap((seed) => chosen(scenes, 1, seed, {})).sort(), scenes);
  t.equal(chosen(scenes, 2, days[0] ?? 0, {}).length, 2);
  t.strictSame(chosen(scenes, 1, 0, { SOAK: '1' }), scenes);
});

t.test('a run is repeated with its seed', async (t) => {
  t.equal(uninstallSeed({ UNINSTALL_SEED: '7' }, Date.now()), 7);
  t.strictSame(chosen(['a', 'b', 'c'], 2, 7, {}), ['b', 'c']);
  t.strictSame(chosen(['a', 'b', 'c'], 1, -1, {}), ['c']);
});
