// hpc-batch-bridge from Node.js, with nothing but amqplib: submit a job, hear what becomes of it.
// Written to be read, and to be copied from.
import amqp from "amqplib";
import { randomUUID } from "node:crypto";

const NAMESPACE = process.env.HPC_BRIDGE_NAMESPACE ?? "hpc-bridge";
const ENDS = new Set(["finished", "failed", "cancelled", "rejected"]);

/** Sends a job to a site; the id comes back when the broker has the job safely. */
export async function submit(connection, site, job) {
  const message = { version: 1, job_id: randomUUID(), ...job };
  const channel = await connection.createConfirmChannel();
  let returned = false;
  channel.on("return", () => { returned = true; });
  channel.publish(`${NAMESPACE}.jobs`, site, Buffer.from(JSON.stringify(message)), {
    persistent: true,
    mandatory: true,
    contentType: "application/json",
    messageId: message.job_id,
  });
  await channel.waitForConfirms();
  await channel.close();
  if (returned) throw new Error(`no bridge has ever served the site ${site} at this broker`);
  return message.job_id;
}

/**
 * Calls `tell` with each status event of a site, each once, until it returns true.
 * `ready` is called when no further event can be missed: submit after that.
 */
export async function follow(connection, site, tell, ready = () => {}) {
  const channel = await connection.createChannel();
  const { queue } = await channel.assertQueue("", { exclusive: true, autoDelete: true });
  await channel.bindQueue(queue, `${NAMESPACE}.events`, `${site}.*`);
  const seen = new Set();
  await new Promise((resolve, reject) => {
    connection.on("error", reject);
    connection.on("close", () => reject(new Error("the connection was closed")));
    channel.consume(queue, (delivery) => {
      if (delivery === null) return reject(new Error("the queue is gone"));
      const event = JSON.parse(delivery.content.toString());
      channel.ack(delivery);
      // Delivery is at least once: the id tells what has come before.
      if (seen.has(event.id)) return;
      seen.add(event.id);
      if (tell(event)) resolve();
    }).then(ready).catch(reject);
  });
  await channel.close();
}

/** Submits a job and shows its events up to the last one, which comes back. */
export async function run(url, site, job, show) {
  const connection = await amqp.connect(url);
  const jobId = job.job_id ?? randomUUID();
  let last;
  try {
    await follow(
      connection,
      site,
      ({ data }) => {
        if (data.job_id !== jobId) return false;
        show(data);
        last = data;
        return ENDS.has(data.event);
      },
      () => submit(connection, site, { ...job, job_id: jobId }),
    );
  } finally {
    await connection.close();
  }
  return last;
}
