import t from 'tap';
import { mountsBelow } from './mounts.ts';

const MOUNTINFO = [
  '22 1 254:0 / / rw,relatime - ext4 /dev/vda rw',
  '30 22 0:3 net:[1] /var/tmp/g/a/netns rw - nsfs nsfs rw',
  '31 22 0:40 / /var/tmp/g/a/node/run rw - tmpfs tmpfs rw',
  '32 31 0:41 / /var/tmp/g/a/node/run/with\\040blank rw - tmpfs tmpfs rw',
  '33 22 0:42 / /var/tmp/g/ab/other rw - tmpfs tmpfs rw',
  '',
].join('\n');

t.test('mounts are found below the folder alone, the deepest first', async (t) => {
  t.strictSame(mountsBelow('/var/tmp/g/a', MOUNTINFO), [
    '/var/tmp/g/a/node/run/with blank',
    '/var/tmp/g/a/node/run',
    '/var/tmp/g/a/netns',
  ]);
});
