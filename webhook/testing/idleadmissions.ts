import type { Logger } from '../../kube/component/log.ts';
import type { createWebhookServer } from '../server.ts';

type Admissions = Pick<Parameters<typeof createWebhookServer>[0], 'admission' | 'spot'>;

/** What a webhook server decides by while no plan runs and no rules on spot are in force. */
export const idleAdmissions = (log: Logger): Admissions => ({
  spot: {
    ownNamespace: 'castai-agent',
    rules: () => undefined,
    choose: () => Promise.reject(new Error('no rules are in force')),
    log,
    observe: () => {},
  },
  admission: {
    ownNamespace: 'castai-agent',
    isOwnerMoved: () => false,
    isCoexisting: () => false,
    take: () => Promise.reject(new Error('no slot is expected to be taken')),
    log,
    observe: () => {},
  },
});
