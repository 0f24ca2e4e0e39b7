import { parseDocument } from 'yaml';
import { z } from 'zod';

export interface Taint {
  readonly key: string;
  readonly value?: string;
  readonly effect: string;
}

/** The kubelet's settings that come with an instance's user data. */
export interface NodeSettings {
  readonly labels: Readonly<Record<string, string>>;
  readonly taints: readonly Taint[];
  readonly maxPods: number | undefined;
  readonly kubeReserved: Readonly<Record<string, string>>;
  readonly systemReserved: Readonly<Record<string, string>>;
  readonly evictionHard: Readonly<Record<string, string>>;
}

// Source: https://awslabs.github.io/amazon-eks-ami/nodeadm/doc/api
const NODE_CONFIG = z.object({
  kind: z.literal('NodeConfig'),
  spec: z.object({
    kubelet: z
      .object({
        config: z
          .object({
            maxPods: z.number().optional(),
            kubeReserved: z.record(z.string(), z.string()).optional(),
            systemReserved: z.record(z.string(), z.string()).optional(),
            evictionHard: z.record(z.string(), z.string()).optional(),
            registerWithTaints: z
              .array(z.object({ key: z.string(), value: z.string().optional(), effect: z.string() }))
              .nullish(),
          })
          .optional(),
        flags: z.array(z.string()).optional(),
      })
      .optional(),
  }),
});

type NodeConfig = z.infer<typeof NODE_CONFIG>;

/** The parts of a MIME multipart text that have a content type. A text without a boundary is one part. */
const partsOf = (text: string, contentType: string): readonly string[] => {
  const [, boundary] = /^content-type:\s*multipart\/\w+;\s*boundary="?([^"\r\n]+)"?/im.exec(text) ?? [];
  if (boundary === undefined) return [text];
  return text
    .split(`--${boundary}`)
    .slice(1)
    .flatMap((part) => {
      const [head = '', ...rest] = part.replace(/^\r?\n/, '').split(/\r?\n\r?\n/);
      return head.toLowerCase().includes(contentType) ? [rest.join('\n\n')] : [];
    });
};

const unquote = (value: string): string => (value.startsWith('"') ? String(JSON.parse(value)) : value);

/** A value of a list of flags, as in `--node-labels="a=b,c=d"`. */
const flagValues = (flags: readonly string[], name: string): readonly string[] =>
  flags
    .filter((each) => each.startsWith(`--${name}=`))
    .flatMap((each) => unquote(each.slice(name.length + 3)).split(','))
    .filter((each) => each !== '');

const pairOf = (text: string): readonly [string, string] => {
  const at = text.indexOf('=');
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
};

/** Reads `key=value:effect`, as the kubelet's flag --register-with-taints does. */
const taintOf = (text: string): Taint => {
  const [rest, effect] = [text.slice(0, text.lastIndexOf(':')), text.slice(text.lastIndexOf(':') + 1)];
  const [key, value] = pairOf(rest);
  return { key, effect, ...(value === '' ? {} : { value }) };
};

const settingsIn = (config: NodeConfig): NodeSettings => {
  const { kubelet } = config.spec;
  const flags = kubelet?.flags ?? [];
  return {
    labels: Object.fromEntries(flagValues(flags, 'node-labels').map(pairOf)),
    taints: [
      ...(kubelet?.config?.registerWithTaints ?? []).map(({ key, value, effect }) => ({
        key,
        effect,
        ...(value === undefined ? {} : { value }),
      })),
      ...flagValues(flags, 'register-with-taints').map(taintOf),
    ],
    maxPods: kubelet?.config?.maxPods,
    kubeReserved: kubelet?.config?.kubeReserved ?? {},
    systemReserved: kubelet?.config?.systemReserved ?? {},
    evictionHard: kubelet?.config?.evictionHard ?? {},
  };
};

const merge = (a: NodeSettings, b: NodeSettings): NodeSettings => ({
  labels: { ...a.labels, ...b.labels },
  taints: [...a.taints, ...b.taints],
  maxPods: b.maxPods ?? a.maxPods,
  kubeReserved: { ...a.kubeReserved, ...b.kubeReserved },
  systemReserved: { ...a.systemReserved, ...b.systemReserved },
  evictionHard: { ...a.evictionHard, ...b.evictionHard },
});

const NONE: NodeSettings = {
  labels: {},
  taints: [],
  maxPods: undefined,
  kubeReserved: {},
  systemReserved: {},
  evictionHard: {},
};

/**
 * nodeadm's reading of user data on an AL2023 image: later NodeConfigs win over earlier ones. Throws when a NodeConfig
 * cannot be read, which keeps a real machine from joining.
 */
export const parseUserData = (base64: string): NodeSettings =>
  partsOf(Buffer.from(base64, 'base64').toString(), 'application/node.eks.aws')
    .filter((part) => part.includes('NodeConfig'))
    .map((part) => settingsIn(NODE_CONFIG.parse(parseDocument(part).toJS())))
    .reduce(merge, NONE);
