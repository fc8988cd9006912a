CALL crawler.fill_list_times();
DROP PROCEDURE IF EXISTS crawler.fill_list_times();
