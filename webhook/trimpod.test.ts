import t from 'tap';
import { PIN } from '../api/labels.ts';
import { makeWebPod } from './testing/reviews.ts';
import { templateKeyOf, trimPod } from './trimpod.ts';

const token = (suffix: string) => ({ name: `kube-api-access-${suffix}`, projected: { sources: [] } });

const pod = (name: string | undefined, suffix: string) =>
  makeWebPod({
    metadata: { name, labels: { app: 'web' }, annotations: { [PIN]: 'pin/1', checksum: 'abc' } },
    spec: {
      nodeSelector: { zone: 'a' },
      containers: [
        {
          name: 'main',
          image: 'web:1',
          env: [{ name: 'A', value: 'b' }],
          resources: { requests: { cpu: '1' } },
          ports: [{ containerPort: 80, hostPort: 80 }],
        },
      ],
      volumes: [token(suffix), { name: 'data', persistentVolumeClaim: { claimName: 'data' } }],
    },
  });

t.test('a trimmed pod keeps what decides where it fits, and our pin', async (t) => {
  t.same(JSON.parse(trimPod(pod('web-1', 'x'))), {
    metadata: {
      name: 'web-1',
      generateName: 'web-',
      labels: { app: 'web' },
      ownerReferences: pod('web-1', 'x').metadata.ownerReferences,
      annotations: { [PIN]: 'pin/1' },
    },
    spec: {
      nodeSelector: { zone: 'a' },
      containers: [
        {
          name: 'main',
          resources: { requests: { cpu: '1' } },
          ports: [{ containerPort: 80, hostPort: 80 }],
        },
      ],
      volumes: [{ name: 'data', persistentVolumeClaim: { claimName: 'data' } }],
    },
  });
});

t.test('pods of one template share a key, whatever their names and token volumes', async (t) => {
  const keys = [pod('web-1', 'x'), pod('web-2', 'y'), pod(undefined, 'z')].map((each) =>
    templateKeyOf(each, trimPod(each)),
  );
  t.equal(new Set(keys).size, 1);
  const other = makeWebPod({ spec: { nodeSelector: { zone: 'b' } } });
  t.not(templateKeyOf(other, trimPod(other)), keys[0]);
});
