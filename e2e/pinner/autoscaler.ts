import { connect } from '../../kube/client/client.ts';
import { Autoscaler } from './fakeautoscaler.ts';
import { kubeconfig } from './fixture.ts';

/** An autoscaler as a separate process, so that a suite can freeze it. Prints a line for each stream. */

const [namespace = ''] = process.argv.slice(2);
const client = connect({ kubeconfig, userAgent: 'autoscaler' });
const autoscaler = await Autoscaler.start(client, namespace);
let told = 0;
setInterval(() => {
  for (; told < autoscaler.hellos.length; told++) process.stdout.write('{"msg":"stream"}\n');
}, 50);
