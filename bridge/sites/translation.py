"""The site's file, found to be right, as the core's types."""

from bridge.core.policy import LookPolicy
from bridge.core.retry import RetryPolicy
from bridge.core.settings import (
    BrokerSettings,
    JournalSettings,
    PollingSettings,
    SchedulerSettings,
    SiteSettings,
    SshSettings,
)
from bridge.core.site import (
    BindRoot,
    Choices,
    ContainerRules,
    Limits,
    Profile,
    Secret,
    Site,
    SlurmDefaults,
)
from bridge.sites.mlexchange import rules_of
from bridge.sites.model import SiteFile
from bridge.sites.offer import LimitsSection, ProfileSection
from bridge.sites.scheduling import AccessSection


def settings_of(model: SiteFile, *, password: str) -> SiteSettings:
    """Everything in the file, in the types that the rest of the bridge knows."""
    return SiteSettings(
        site=site_of(model),
        broker=_broker(model, password),
        scheduler=SchedulerSettings(
            kind=model.scheduler.kind,
            local_jobs=model.scheduler.local_jobs,
            pyslurm_fallback=model.scheduler.pyslurm_fallback == "command-line",
            access=_access(model.scheduler.access),
            environment=tuple(model.scheduler.environment.items()),
            query_timeout=model.scheduler.query_timeout,
            submit_timeout=model.scheduler.submit_timeout,
            settle_time=model.scheduler.settle_time,
            parallel_submissions=model.scheduler.parallel_submissions,
            queries_per_minute=model.scheduler.queries_per_minute,
            submissions_per_minute=model.scheduler.submissions_per_minute,
        ),
        polling=PollingSettings(
            looks=LookPolicy(
                shortest=model.polling.shortest,
                longest=model.polling.longest,
                min_job_age=model.polling.min_job_age,
            ),
            marks=model.polling.marks,
            progress=model.polling.progress,
            sweep=model.polling.sweep,
            absence_grace=model.polling.absence_grace,
            unknown_grace=model.polling.unknown_grace,
            unreachable_after=model.polling.unreachable_after,
        ),
        journal=JournalSettings(
            path=model.journal.path, keep=model.journal.keep, disk=model.journal.disk
        ),
        retry=_retry(model),
        mlexchange=None if model.mlexchange is None else rules_of(model.mlexchange),
        templates=model.templates,
    )


def _access(access: AccessSection | None) -> SshSettings | None:
    if access is None:
        return None
    return SshSettings(
        host=access.host,
        port=access.port,
        user=access.user,
        key_file=access.key_file,
        known_hosts_file=access.known_hosts_file,
        ssh_config=access.ssh_config,
        jump=tuple(access.jump),
        sessions=access.sessions,
    )


def _retry(model: SiteFile) -> RetryPolicy:
    retry = model.retry
    return RetryPolicy(
        attempts=retry.attempts,
        reasons=frozenset(retry.reasons),
        wait=retry.wait,
        walltime_factor=retry.walltime_factor,
        memory_factor=retry.memory_factor,
    )


def _broker(model: SiteFile, password: str) -> BrokerSettings:
    broker = model.broker
    return BrokerSettings(
        host=broker.host,
        port=broker.port,
        virtual_host=broker.virtual_host,
        user=broker.user,
        password=password,
        tls=broker.tls,
        certificate_authority=broker.certificate_authority,
        heartbeat=broker.heartbeat,
        namespace=broker.namespace,
        prefetch=broker.prefetch,
        history_keep=broker.history_keep,
        history_mib=broker.history_size,
    )


def site_of(model: SiteFile) -> Site:
    """What jobs are decided by."""
    return Site(
        name=model.site.name,
        tag_prefix=model.scheduler.tag_prefix,
        most_tasks=model.scheduler.most_tasks,
        most_attempts=model.retry.most_attempts,
        work_root=model.work_root,
        containers=_containers(model),
        defaults=SlurmDefaults(
            walltime=model.defaults.walltime,
            partition=model.defaults.partition,
            qos=model.defaults.qos,
            account=model.defaults.account,
            constraint=model.defaults.constraint,
            memory_mib=model.defaults.memory,
        ),
        choices=Choices(
            partitions=tuple(model.choices.partitions),
            qos=tuple(model.choices.qos),
            accounts=tuple(model.choices.accounts),
            constraints=tuple(model.choices.constraints),
            gpu_types=tuple(model.choices.gpu_types),
            lowest_priority=model.choices.lowest_priority,
            highest_priority=model.choices.highest_priority,
        ),
        limits=_limits(model.limits),
        profiles=tuple(_profile(name, it) for name, it in model.profiles.items()),
        users=tuple(model.users),
        reply_queues=() if model.mlexchange is None else tuple(model.mlexchange.reply_queues),
        secrets=tuple(
            Secret(reference=name, file=it.file, users=tuple(it.users))
            for name, it in model.secrets.items()
        ),
        environment=tuple(model.environment.items()),
        setup=tuple(model.setup.splitlines()),
        directives=tuple(model.directives),
    )


def _limits(limits: LimitsSection) -> Limits:
    return Limits(
        nodes=limits.nodes,
        tasks=limits.tasks,
        cpus_per_task=limits.cpus_per_task,
        gpus=limits.gpus,
        memory_mib=limits.memory,
        walltime=limits.walltime,
        min_walltime=limits.min_walltime,
    )


def _profile(name: str, profile: ProfileSection) -> Profile:
    return Profile(
        name=name,
        partition=profile.partition,
        qos=profile.qos,
        account=profile.account,
        constraint=profile.constraint,
        gpu_flag=profile.gpu_flag,
        gpu_types=None if profile.gpu_types is None else tuple(profile.gpu_types),
        limits=_limits(profile.limits),
        only_by_name=profile.only_by_name,
    )


def _containers(model: SiteFile) -> ContainerRules:
    containers = model.containers
    return ContainerRules(
        runtime=containers.runtime,
        images=tuple(containers.images),
        bind_roots=tuple(
            BindRoot(path=it.path, read_only=it.read_only) for it in containers.bind_roots
        ),
        gpu_flag=containers.gpu_flag,
        modules=tuple(containers.modules),
        launcher=tuple(containers.launcher),
        options=tuple(containers.options),
        visible=tuple(containers.visible),
        cache=containers.cache,
        scratch=containers.scratch,
        pull=containers.pull,
        pull_folder=containers.pull_folder,
        pull_timeout=containers.pull_timeout,
    )
