/*
 * A STAND-IN for tests, not Shifter: a SPANK plugin (spank(7)) with which the real sbatch, salloc
 * and srun accept the options of Shifter's own plugin. It runs no container: the stand-in `shifter`
 * does, from what this plugin puts into the job's environment.
 *
 * plugstack.conf: required <this file> check=<program>
 * The program knows Shifter's rules and is run once per submission, as the user who submits:
 *     <program> check --image=IMAGE --volume=VOLUMES
 * It prints the image's id and exits 0, or prints what is wrong and exits otherwise.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <slurm/spank.h>

SPANK_PLUGIN(shifter, 1)

enum { IMAGE, VOLUME, MODULE, ENTRYPOINT, OPTIONS };

static const char *const VARIABLES[OPTIONS] = {
	"SLURM_SPANK_SHIFTER_IMAGE",
	"SLURM_SPANK_SHIFTER_VOLUME",
	"SLURM_SPANK_SHIFTER_MODULE",
	"SLURM_SPANK_SHIFTER_ENTRYPOINT",
};
static const char IMAGE_TYPE[] = "SLURM_SPANK_SHIFTER_IMAGETYPE";
static const char PLAIN_VOLUME[] = "SHIFTER_VOLUME";

static char *chosen[OPTIONS];

/* Called for each option given, on the submitting side and again on the node. */
static int choose(int option, const char *argument, int remote)
{
	const char *value = argument ? argument : "";
	char *joined;

	(void)remote;
	if (option == VOLUME && chosen[VOLUME]) {
		if (asprintf(&joined, "%s;%s", chosen[VOLUME], value) < 0)
			return ESPANK_NOSPACE;
	} else {
		joined = strdup(value);
		if (!joined)
			return ESPANK_NOSPACE;
	}
	free(chosen[option]);
	chosen[option] = joined;
	return ESPANK_SUCCESS;
}

static struct spank_option options[] = {
	{"image", "TYPE:NAME:TAG", "shifter image to use", 1, IMAGE, choose},
	{"volume", "SRC:DST[:FLAG][;...]", "shifter volume bindings", 1, VOLUME, choose},
	{"module", "NAME[,...]", "shifter modules to enable", 1, MODULE, choose},
	{"entrypoint", "COMMAND", "run the image's entry point", 2, ENTRYPOINT, choose},
	SPANK_OPTIONS_TABLE_END,
};

static int submits(void)
{
	spank_context_t context = spank_context();

	return context == S_CTX_LOCAL || context == S_CTX_ALLOCATOR;
}

static const char *checker(int ac, char **av)
{
	static const char key[] = "check=";

	for (int i = 0; i < ac; i++)
		if (!strncmp(av[i], key, sizeof(key) - 1))
			return av[i] + sizeof(key) - 1;
	return NULL;
}

/* Read all that fits and drop the last newline; the rest is read too, so that nobody blocks. */
static void read_answer(int from, char *answer, size_t size)
{
	char rest[256];
	size_t used = 0;
	ssize_t got;

	for (;;) {
		int full = used + 1 >= size;

		got = full ? read(from, rest, sizeof(rest))
			   : read(from, answer + used, size - used - 1);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		if (!full)
			used += (size_t)got;
	}
	answer[used] = '\0';
	if (used && answer[used - 1] == '\n')
		answer[used - 1] = '\0';
}

/* Run the checker; 0 and the image's id in answer, or -1 and what is wrong. */
static int check(const char *program, char *answer, size_t size)
{
	int channel[2], status = 0;
	char *image = NULL, *volume = NULL;
	pid_t child;

	if (asprintf(&image, "--image=%s", chosen[IMAGE] ? chosen[IMAGE] : "") < 0 ||
	    asprintf(&volume, "--volume=%s", chosen[VOLUME] ? chosen[VOLUME] : "") < 0 ||
	    pipe(channel) < 0) {
		snprintf(answer, size, "cannot ask %s: %s", program, strerror(errno));
		return -1;
	}
	child = fork();
	if (child == 0) {
		dup2(channel[1], STDOUT_FILENO);
		close(channel[0]);
		close(channel[1]);
		execl(program, program, "check", image, volume, (char *)NULL);
		printf("cannot run %s: %s", program, strerror(errno));
		fflush(stdout);
		_exit(127);
	}
	close(channel[1]);
	if (child < 0)
		snprintf(answer, size, "cannot run %s: %s", program, strerror(errno));
	else
		read_answer(channel[0], answer, size);
	close(channel[0]);
	free(image);
	free(volume);
	if (child < 0)
		return -1;
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
}

int slurm_spank_init(spank_t spank, int ac, char **av)
{
	(void)ac;
	(void)av;
	if (!submits() && spank_context() != S_CTX_REMOTE)
		return ESPANK_SUCCESS;
	for (struct spank_option *option = options; option->name; option++)
		if (spank_option_register(spank, option) != ESPANK_SUCCESS) {
			slurm_error("shifter: cannot register --%s", option->name);
			return -1;
		}
	return ESPANK_SUCCESS;
}

/* On the submitting side: refuse what Shifter would refuse, and pin the image. */
int slurm_spank_init_post_opt(spank_t spank, int ac, char **av)
{
	const char *program = checker(ac, av);
	char answer[1024];

	(void)spank;
	if (!submits())
		return ESPANK_SUCCESS;
	if (chosen[IMAGE] || chosen[VOLUME]) {
		if (!program) {
			slurm_error("shifter: plugstack.conf gives no check=<program>");
			return -1;
		}
		if (check(program, answer, sizeof(answer)) < 0) {
			slurm_error("shifter: %s", answer);
			return -1;
		}
	}
	for (int option = 0; option < OPTIONS; option++)
		if (chosen[option])
			setenv(VARIABLES[option], chosen[option], 1);
	if (chosen[IMAGE]) {
		setenv(VARIABLES[IMAGE], answer, 1);
		setenv(IMAGE_TYPE, "id", 1);
	}
	if (chosen[VOLUME])
		setenv(PLAIN_VOLUME, chosen[VOLUME], 1);
	return ESPANK_SUCCESS;
}

/* A site has `shifter` where every job finds it; this one has it beside the checker. */
static void extend_search_path(spank_t spank, const char *program)
{
	char known[8192];
	char *extended;
	int folder = (int)(strrchr(program, '/') - program);

	if (spank_getenv(spank, "PATH", known, sizeof(known)) != ESPANK_SUCCESS)
		snprintf(known, sizeof(known), "/usr/local/bin:/usr/bin:/bin");
	if (asprintf(&extended, "%s:%.*s", known, folder, program) < 0)
		return;
	spank_setenv(spank, "PATH", extended, 1);
	free(extended);
}

/* On the node. What begins with SLURM_ comes through whatever --export says; the rest may not. */
int slurm_spank_user_init(spank_t spank, int ac, char **av)
{
	const char *program = checker(ac, av);
	char volume[8192];

	if (program && strchr(program, '/'))
		extend_search_path(spank, program);
	if (spank_getenv(spank, VARIABLES[VOLUME], volume, sizeof(volume)) == ESPANK_SUCCESS)
		spank_setenv(spank, PLAIN_VOLUME, volume, 1);
	return ESPANK_SUCCESS;
}
