import type { Pod } from '../../api/objects.ts';

/** A port that a pod opens on its node's own address. */
export interface HostPort {
  readonly port: number;
  readonly protocol: string;
  readonly address: string;
}

const ANY = '0.0.0.0';

/** The host ports of a pod's containers and sidecars. */
export const hostPorts = (pod: Pod): readonly HostPort[] => {
  const ports: HostPort[] = [];
  const sidecars = (pod.spec.initContainers ?? []).filter(
    (container) => container.restartPolicy === 'Always',
  );
  for (const container of [...pod.spec.containers, ...sidecars]) {
    for (const port of container.ports ?? []) {
      if (!port.hostPort || port.hostPort <= 0) continue;
      ports.push({ port: port.hostPort, protocol: port.protocol || 'TCP', address: port.hostIP || ANY });
    }
  }
  return ports;
};

/** Whether two host ports exclude each other on one node. */
export const conflicts = (a: HostPort, b: HostPort): boolean =>
  a.port === b.port &&
  a.protocol === b.protocol &&
  (a.address === b.address || a.address === ANY || b.address === ANY);
