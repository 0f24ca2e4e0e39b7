import { type handleBidiStreamingCall, status } from '@grpc/grpc-js';
import type { SideReply, SideRequest } from '../../api/pinning.ts';
import type { SideCounter } from './counter.ts';

/** Pods of one webhook replica that wait for an answer, at most. */
const MAX_PENDING = 2_000;

/** The rpc ChooseSides of pinning.proto: a stream to each webhook replica, until this replica stops to lead. */
export const createSidesCall =
  (counter: SideCounter): handleBidiStreamingCall<SideRequest, SideReply> =>
  (call) => {
    const end = (): void => {
      call.emit('error', { code: status.UNAVAILABLE, details: 'this replica does not lead' });
    };
    if (!counter.isLeading) {
      end();
      return;
    }
    const forget = counter.onEnd(end);
    let pending = 0;
    let isOpen = true;
    for (const event of ['error', 'cancelled', 'close'])
      call.on(event, () => {
        isOpen = false;
        forget();
      });
    call.on('data', async (request: SideRequest) => {
      if (request.givenBack) {
        counter.giveBack(request);
        return;
      }
      if (++pending >= MAX_PENDING) call.pause();
      const reply = await counter.choose(request);
      if (--pending < MAX_PENDING) call.resume();
      // Nobody waits for it: the pod has been created without it.
      if (!isOpen) counter.giveBack(request);
      else call.write(reply);
    });
    call.on('end', () => call.end());
    call.resume();
  };
