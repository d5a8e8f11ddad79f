// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Requests as the driver writes them and answers as it reads them, with real
 * pages and made-up answers. The parts of the driver that the file calls are
 * not here: a request is put together and taken apart, never sent.
 */
#define NOTRACE
#include <kunit/test.h>
#include <linux/module.h>

#include "../../driver/request.c"

#define ORDER	6
#define PAGES	(1U << ORDER)

unsigned int ballonet_block_order(const struct page *page)
{
	return page_private(page);
}

void ballonet_block_give(struct ballonet *bal, struct page *page)
{
}

void ballonet_frame_answered(struct ballonet *bal, struct ballonet_queue *q,
			     struct ballonet_rq *rq, int rc)
{
}

void ballonet_engine_kick(struct ballonet *bal)
{
}

void ballonet_count_rq(struct ballonet_queue *q, enum ballonet_counter counter,
		       u64 add)
{
}

/* A balloon with an empty request, and neighbouring pages to put into it. */
struct fixture {
	struct ballonet bal;
	struct ballonet_queue q;
	struct ballonet_rq *rq;
	struct ballonet_request *req;
	struct page *pages;
};

static int setup(struct kunit *test)
{
	struct fixture *f = kunit_kzalloc(test, sizeof(*f), GFP_KERNEL);
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, f);
	test->priv = f;
	f->bal.ranges = true;
	f->bal.max_ranges = 3;
	f->bal.max_frames = 1000;
	KUNIT_ASSERT_EQ(test, ballonet_queue_init(&f->bal, &f->q,
						  BALLONET_REQ_INFLATE), 0);
	f->rq = ballonet_rq_get(&f->q);
	f->req = f->rq->out;
	f->pages = alloc_pages(GFP_KERNEL, ORDER);
	KUNIT_ASSERT_NOT_NULL(test, f->pages);
	for (i = 0; i < PAGES; i++)
		set_page_private(f->pages + i, 0);
	return 0;
}

static void teardown(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct page *page, *next;
	unsigned int i;

	if (!f)
		return;
	list_for_each_entry_safe(page, next, &f->rq->blocks, lru)
		list_del(&page->lru);
	for (i = 0; i < PAGES; i++)
		set_page_private(f->pages + i, 0);
	__free_pages(f->pages, ORDER);
	ballonet_queue_deinit(&f->q);
}

static bool add(struct fixture *f, unsigned int page, unsigned int order)
{
	set_page_private(f->pages + page, order);
	return ballonet_rq_add(&f->bal, f->rq, f->pages + page);
}

static void expect_range(struct kunit *test, unsigned int range,
			 unsigned int page, unsigned int nr)
{
	struct fixture *f = test->priv;

	KUNIT_EXPECT_EQ(test, le64_to_cpu(f->req->ranges[range].start),
			page_to_pfn(f->pages) + page);
	KUNIT_EXPECT_EQ(test, le64_to_cpu(f->req->ranges[range].nr), nr);
}

static void neighbours_become_one_range(struct kunit *test)
{
	struct fixture *f = test->priv;

	KUNIT_EXPECT_TRUE(test, add(f, 8, 0));
	KUNIT_EXPECT_TRUE(test, add(f, 9, 0));
	KUNIT_EXPECT_TRUE(test, add(f, 4, 2));
	KUNIT_EXPECT_EQ(test, f->rq->ranges, 1);
	KUNIT_EXPECT_EQ(test, f->rq->frames, 6);
	expect_range(test, 0, 4, 6);
}

static void strangers_have_a_range_each(struct kunit *test)
{
	struct fixture *f = test->priv;

	KUNIT_EXPECT_TRUE(test, add(f, 8, 0));
	KUNIT_EXPECT_TRUE(test, add(f, 16, 3));
	KUNIT_EXPECT_TRUE(test, add(f, 10, 0));
	KUNIT_EXPECT_EQ(test, f->rq->ranges, 3);
	KUNIT_EXPECT_EQ(test, f->rq->frames, 10);
	expect_range(test, 0, 8, 1);
	expect_range(test, 1, 16, 8);
	expect_range(test, 2, 10, 1);
}

static void ranges_end_at_the_hosts_limit(struct kunit *test)
{
	struct fixture *f = test->priv;

	KUNIT_EXPECT_TRUE(test, add(f, 0, 0));
	KUNIT_EXPECT_TRUE(test, add(f, 2, 0));
	KUNIT_EXPECT_EQ(test, ballonet_rq_room(&f->bal, f->rq), 998);
	KUNIT_EXPECT_TRUE(test, add(f, 4, 0));
	KUNIT_EXPECT_EQ(test, ballonet_rq_room(&f->bal, f->rq), 0);
	KUNIT_EXPECT_FALSE(test, add(f, 6, 0));
	KUNIT_EXPECT_EQ(test, f->rq->frames, 3);
	/* A neighbour needs no range of its own. */
	KUNIT_EXPECT_TRUE(test, add(f, 5, 0));
}

static void frames_end_at_the_hosts_limit(struct kunit *test)
{
	struct fixture *f = test->priv;

	f->bal.max_frames = 9;
	KUNIT_EXPECT_TRUE(test, add(f, 0, 3));
	KUNIT_EXPECT_EQ(test, ballonet_rq_room(&f->bal, f->rq), 1);
	KUNIT_EXPECT_FALSE(test, add(f, 8, 1));
	KUNIT_EXPECT_TRUE(test, add(f, 8, 0));
	KUNIT_EXPECT_EQ(test, ballonet_rq_room(&f->bal, f->rq), 0);
}

static void the_standard_has_an_array_of_frames(struct kunit *test)
{
	struct fixture *f = test->priv;
	__le32 *pfns = f->rq->out;
	unsigned int i;

	f->bal.ranges = false;
	KUNIT_EXPECT_TRUE(test, add(f, 4, 1));
	KUNIT_EXPECT_TRUE(test, add(f, 0, 0));
	KUNIT_EXPECT_EQ(test, le32_to_cpu(pfns[0]), page_to_pfn(f->pages) + 4);
	KUNIT_EXPECT_EQ(test, le32_to_cpu(pfns[1]), page_to_pfn(f->pages) + 5);
	KUNIT_EXPECT_EQ(test, le32_to_cpu(pfns[2]), page_to_pfn(f->pages));
	for (i = 3; i < BALLONET_STD_FRAMES; i++)
		KUNIT_EXPECT_TRUE(test, rq_add(&f->bal, f->rq, i, 1));
	KUNIT_EXPECT_EQ(test, ballonet_rq_room(&f->bal, f->rq), 0);
	KUNIT_EXPECT_FALSE(test, rq_add(&f->bal, f->rq, i, 1));
}

static void the_standard_ends_at_16_tebibytes(struct kunit *test)
{
	struct fixture *f = test->priv;

	f->bal.ranges = false;
	KUNIT_EXPECT_TRUE(test, rq_add(&f->bal, f->rq, U32_MAX, 1));
	KUNIT_EXPECT_FALSE(test, rq_add(&f->bal, f->rq, U32_MAX, 2));
	KUNIT_EXPECT_FALSE(test, rq_add(&f->bal, f->rq, 1ULL << 32, 1));
	KUNIT_EXPECT_EQ(test, f->rq->frames, 1);
}

static void answers_are_checked_before_they_are_believed(struct kunit *test)
{
	static const struct {
		u32 len;
		u32 status;
		u64 id;
		u64 done;
		int rc;
		u64 believed;
	} answers[] = {
		{ 32, BALLONET_RESP_OK, 7, 10, 0, 10 },
		{ 99, BALLONET_RESP_OK, 7, 10, 0, 10 },
		{ 31, BALLONET_RESP_OK, 7, 10, -EPROTO },
		{ 0, BALLONET_RESP_OK, 7, 10, -EPROTO },
		{ 32, BALLONET_RESP_OK, 8, 10, -EPROTO },
		{ 32, BALLONET_RESP_OK, 7, 9, -EPROTO },
		{ 32, BALLONET_RESP_OK, 7, 11, -EPROTO },
		{ 32, BALLONET_RESP_OK, 7, U64_MAX, -EPROTO },
		{ 32, BALLONET_RESP_IO, 7, 11, -EPROTO },
		{ 32, BALLONET_RESP_IO, 7, 4, -EIO, 4 },
		{ 32, BALLONET_RESP_IO, 7, 0, -EIO, 0 },
		{ 32, 77, 7, 4, -EIO, 4 },
		{ 32, BALLONET_RESP_INVALID, 7, 4, -EINVAL, 0 },
		{ 32, BALLONET_RESP_RANGE, 7, 0, -EINVAL, 0 },
		{ 32, BALLONET_RESP_LIMIT, 7, 0, -EINVAL, 0 },
		{ 32, BALLONET_RESP_REFUSED, 7, 4, -EPERM, 0 },
	};
	struct fixture *f = test->priv;
	unsigned int i;

	f->req->id = cpu_to_le64(7);
	f->rq->frames = 10;
	for (i = 0; i < ARRAY_SIZE(answers); i++) {
		u64 done = 1000;

		f->rq->len = answers[i].len;
		f->rq->answer->status = cpu_to_le32(answers[i].status);
		f->rq->answer->id = cpu_to_le64(answers[i].id);
		f->rq->answer->frames_done = cpu_to_le64(answers[i].done);
		f->rq->answer->bytes_freed = cpu_to_le64(i);
		KUNIT_EXPECT_EQ_MSG(test, answers[i].rc,
				    ballonet_rq_result(&f->bal, f->rq, &done),
				    "answer %u", i);
		KUNIT_EXPECT_EQ_MSG(test, done, answers[i].rc == -EPROTO ?
				    1000 : answers[i].believed, "answer %u", i);
	}
	KUNIT_EXPECT_EQ(test, f->rq->freed, i - 1);
}

static void the_standard_has_no_answer_but_done(struct kunit *test)
{
	struct fixture *f = test->priv;
	u64 done = 0;

	f->bal.ranges = false;
	f->rq->frames = 10;
	f->rq->len = 0;
	KUNIT_EXPECT_EQ(test, ballonet_rq_result(&f->bal, f->rq, &done), 0);
	KUNIT_EXPECT_EQ(test, done, 10);
}

static bool is_hosts(struct fixture *f, unsigned int page, u64 done)
{
	return ballonet_rq_is_hosts(&f->q, f->rq, f->pages + page, done);
}

/* Two ranges: 16 to 23 as two blocks, then 0 to 7 as two. */
static void add_blocks(struct kunit *test)
{
	struct fixture *f = test->priv;

	KUNIT_ASSERT_TRUE(test, add(f, 20, 2) && add(f, 16, 2));
	KUNIT_ASSERT_TRUE(test, add(f, 0, 2) && add(f, 4, 2));
	KUNIT_ASSERT_EQ(test, f->rq->ranges, 2);
}

static void a_block_given_in_part_is_the_hosts(struct kunit *test)
{
	struct fixture *f = test->priv;

	add_blocks(test);
	KUNIT_EXPECT_FALSE(test, is_hosts(f, 16, 0));
	KUNIT_EXPECT_TRUE(test, is_hosts(f, 16, 1));
	KUNIT_EXPECT_FALSE(test, is_hosts(f, 20, 4));
	KUNIT_EXPECT_TRUE(test, is_hosts(f, 20, 5));
	KUNIT_EXPECT_FALSE(test, is_hosts(f, 0, 8));
	KUNIT_EXPECT_TRUE(test, is_hosts(f, 0, 9));
	KUNIT_EXPECT_FALSE(test, is_hosts(f, 4, 12));
	KUNIT_EXPECT_TRUE(test, is_hosts(f, 4, 16));
}

static void a_block_returned_in_part_is_the_hosts(struct kunit *test)
{
	struct fixture *f = test->priv;

	f->q.type = BALLONET_REQ_DEFLATE;
	add_blocks(test);
	KUNIT_EXPECT_TRUE(test, is_hosts(f, 16, 0));
	KUNIT_EXPECT_TRUE(test, is_hosts(f, 16, 3));
	KUNIT_EXPECT_FALSE(test, is_hosts(f, 16, 4));
	KUNIT_EXPECT_TRUE(test, is_hosts(f, 20, 7));
	KUNIT_EXPECT_FALSE(test, is_hosts(f, 20, 8));
	KUNIT_EXPECT_TRUE(test, is_hosts(f, 4, 15));
	KUNIT_EXPECT_FALSE(test, is_hosts(f, 4, 16));
}

static void a_request_that_comes_back_is_empty_again(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned int i;

	KUNIT_ASSERT_TRUE(test, add(f, 0, 0));
	for (i = 1; i < BALLONET_RQS; i++)
		KUNIT_EXPECT_NOT_NULL(test, ballonet_rq_get(&f->q));
	KUNIT_EXPECT_NULL(test, ballonet_rq_get(&f->q));
	list_del(&f->pages->lru);
	ballonet_rq_put(&f->q, f->rq);
	KUNIT_EXPECT_PTR_EQ(test, ballonet_rq_get(&f->q), f->rq);
	KUNIT_EXPECT_EQ(test, f->rq->frames, 0);
	KUNIT_EXPECT_EQ(test, f->rq->ranges, 0);
}

static void without_a_device_nothing_is_sent(struct kunit *test)
{
	struct fixture *f = test->priv;

	KUNIT_ASSERT_TRUE(test, add(f, 0, 0));
	KUNIT_EXPECT_EQ(test, ballonet_rq_send(&f->q, f->rq), -ENODEV);
	KUNIT_EXPECT_EQ(test, f->q.in_flight, 0);
	KUNIT_EXPECT_EQ(test, le16_to_cpu(f->req->type), BALLONET_REQ_INFLATE);
	KUNIT_EXPECT_EQ(test, le32_to_cpu(f->req->nr_ranges), 1);
	KUNIT_EXPECT_EQ(test, f->req->reserved, 0);
	KUNIT_EXPECT_EQ(test, le64_to_cpu(f->req->id), f->rq->id);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(neighbours_become_one_range),
	KUNIT_CASE(strangers_have_a_range_each),
	KUNIT_CASE(ranges_end_at_the_hosts_limit),
	KUNIT_CASE(frames_end_at_the_hosts_limit),
	KUNIT_CASE(the_standard_has_an_array_of_frames),
	KUNIT_CASE(the_standard_ends_at_16_tebibytes),
	KUNIT_CASE(answers_are_checked_before_they_are_believed),
	KUNIT_CASE(the_standard_has_no_answer_but_done),
	KUNIT_CASE(a_block_given_in_part_is_the_hosts),
	KUNIT_CASE(a_block_returned_in_part_is_the_hosts),
	KUNIT_CASE(a_request_that_comes_back_is_empty_again),
	KUNIT_CASE(without_a_device_nothing_is_sent),
	{}
};

static struct kunit_suite suite = {
	.name = "ballonet_request",
	.init = setup,
	.exit = teardown,
	.test_cases = cases,
};
kunit_test_suite(suite);

MODULE_DESCRIPTION("Tests of ballonet's requests");
MODULE_LICENSE("GPL");
