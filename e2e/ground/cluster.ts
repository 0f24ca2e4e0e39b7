import type { CloudOptions } from './aws/options.ts';
import type { Backend } from './backend.ts';
import type { CommandOptions } from './host/command.ts';
import type { GroundProcess, ProcessSpec } from './host/processes.ts';
import type { Progress } from './host/progress.ts';

export interface GroundOptions {
  /** The name that tells grounds on one machine apart; 'default' when left out. */
  readonly name?: string;
  /** Karpenter's AWS controller, the AWS endpoint and the machines. */
  readonly cloud?: boolean;
  /** A node whose pods are real containers; only our Deployments run there. */
  readonly realNode?: boolean;
  /** Further arguments of kube-scheduler. */
  readonly schedulerArgs?: readonly string[];
  /** Further arguments of kube-apiserver. */
  readonly apiserverArgs?: readonly string[];
  /** How the cloud behaves; its own defaults when left out. */
  readonly cloudOptions?: CloudOptions;
  readonly progress?: Progress;
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/** A whole cluster and the ways into it. */
export interface Ground {
  readonly name: string;
  readonly backend: Backend;
  /** The folder of all its state. */
  readonly dir: string;
  /** The administrator's kubeconfig; it works on the host and inside the ground. */
  readonly kubeconfig: string;
  /** The API server's URL. */
  readonly server: string;
  /** The file of its network namespace; empty where the ground shares the host's network. */
  readonly namespace: string;
  /** The address at which the host reaches what listens inside on all addresses. */
  readonly address: string;
  /** The address at which processes inside reach what listens on the host. */
  readonly hostAddress: string;
  readonly cloud: boolean;
  readonly realNode: boolean;
  /** The folder of builds that all grounds share. */
  readonly cache: string;
  /** Runs a command inside to its end and returns its stdout. Throws CommandError when its exit code is not 0. */
  exec(argv: readonly string[], options?: CommandOptions): Promise<string>;
  /** kubectl as the administrator. */
  kubectl(args: readonly string[], options?: CommandOptions): Promise<string>;
  /** Starts a process inside that lives as long as the ground. Throws when one of that name is running. */
  addProcess(spec: ProcessSpec): GroundProcess;
  processes(): GroundProcess[];
  /** Ends a process that addProcess started: SIGTERM, then SIGKILL after `graceMs`, 5 s when left out. */
  stopProcess(name: string, graceMs?: number): Promise<void>;
  /** The path of a program from build/programs.ts, which is built first if need be. */
  program(name: string): Promise<string>;
  /** Ends and removes everything but the logs. */
  down(): Promise<void>;
}
