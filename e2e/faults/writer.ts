import type { ConfigMap } from '../../api/objects.ts';
import { CONFIG_MAPS } from '../../api/resources.ts';
import type { KubeClient } from '../../kube/client/client.ts';

/** Creates, changes, deletes and recreates the objects of one namespace, as a seed decides. */
export class Writer {
  readonly #client: KubeClient;
  readonly #namespace: string;
  readonly #random: () => number;
  readonly #names = new Set<string>();
  #count = 0;

  constructor(client: KubeClient, namespace: string, random: () => number) {
    this.#client = client;
    this.#namespace = namespace;
    this.#random = random;
  }

  async write(times: number): Promise<void> {
    for (let i = 0; i < times; i++) await this.#step();
  }

  async #step(): Promise<void> {
    const dice = this.#random();
    const names = [...this.#names];
    const name = names[Math.floor(this.#random() * names.length)];
    if (name === undefined || (dice < 0.3 && names.length < 60)) await this.#create(`c-${this.#count++}`);
    else if (dice < 0.7) await this.#change(name);
    else {
      await this.#delete(name);
      // The name comes back with another UID, sometimes before anyone saw that it was gone.
      if (dice < 0.85) await this.#create(name);
    }
  }

  #data(): NonNullable<ConfigMap['data']> {
    return { value: String(this.#random()), filler: 'x'.repeat(Math.floor(this.#random() * 4000)) };
  }

  async #create(name: string): Promise<void> {
    await this.#client.create<ConfigMap>(CONFIG_MAPS, {
      metadata: { name, namespace: this.#namespace },
      data: this.#data(),
    });
    this.#names.add(name);
  }

  async #change(name: string): Promise<void> {
    await this.#client.patch(CONFIG_MAPS, { name, namespace: this.#namespace }, { data: this.#data() });
  }

  async #delete(name: string): Promise<void> {
    await this.#client.delete(CONFIG_MAPS, { name, namespace: this.#namespace });
    this.#names.delete(name);
  }
}
