import t from 'tap';
import { linesAlike } from './alike.ts';

t.test('equal lines are one line with a count, and a line of its own keeps its name first', async (t) => {
  const said = [
    ...Array.from({ length: 143 }, (_, n) => ({ name: `node-${n}`, text: 'Insufficient cpu' })),
    { name: 'big', text: 'it fits' },
  ];
  t.strictSame(linesAlike(said, 'nodes'), [
    'Insufficient cpu: 143 nodes (node-0, node-1, node-2 and 140 more)',
    'big: it fits',
  ]);
  t.strictSame(linesAlike([], 'nodes'), []);
});
