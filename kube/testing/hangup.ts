import type { handleBidiStreamingCall } from '@grpc/grpc-js';

/** A stream that a test's server has to serve and that nobody opens. */
export const hangUp: handleBidiStreamingCall<unknown, unknown> = (call) => {
  call.end();
};
