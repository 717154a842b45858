// node submit.js SITE JOB.json, with the broker's address in HPC_BRIDGE_BROKER_URL
import { readFile } from "node:fs/promises";
import { run } from "./bridge.js";

const [site, file] = process.argv.slice(2);
const job = JSON.parse(await readFile(file, "utf8"));
const last = await run(process.env.HPC_BRIDGE_BROKER_URL, site, job, (data) => {
  console.log(data.event, data.slurm_id ?? "-", data.nodes ?? "-", data.detail ?? "");
});
process.exitCode = last.event === "finished" ? 0 : 1;
